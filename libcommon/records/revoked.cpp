#include "records/revoked.hpp"

#include "base/text.hpp"

namespace smaster::fleet {

void Revoked::add(const ShardName& name, const UsedTimes& used, Time now) {
  if (used != UsedTimes()) entries_.insert_or_assign(name, Entry{used, now});
}

UsedTimes Revoked::used(const ShardName& name, Time oldest) const {
  const auto found = entries_.find(name);
  return found == entries_.end() || found->second.at < oldest ? UsedTimes() : found->second.used;
}

void Revoked::drop(Time oldest) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.at < oldest; });
}

std::string Revoked::text() const {
  std::string text;
  for (const auto& [name, entry] : entries_) {
    text += name.str() + '=' + std::to_string(to_unix_ms(entry.at)) + '=' + entry.used.text() + '\n';
  }
  return text;
}

Revoked Revoked::parse(std::string_view text) {
  Revoked revoked;
  for (const auto line : split(text, '\n')) {
    const auto parts = split(line, '=');
    if (parts.size() != 3) continue;
    const auto name = ShardName::parse_seat(parts[0]);
    const auto ms = parse_int<std::int64_t>(parts[1]);
    if (name && ms) revoked.add(*name, UsedTimes::parse(parts[2]), from_unix_ms(*ms));
  }
  return revoked;
}

}  // namespace smaster::fleet
