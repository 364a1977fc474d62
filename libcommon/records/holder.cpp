#include "records/holder.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "json/json.hpp"

namespace smaster::fleet {

Millis clamp_term(std::int64_t ms) {
  constexpr std::int64_t kLongest = 24 * 3'600'000;
  return Millis{std::clamp<std::int64_t>(ms, 0, kLongest)};
}

std::string to_text(const Holder& holder) {
  if (!holder.known()) return holder.left ? R"({"left":true})" : "";
  return json::serialize(boost::json::object{{"instance", holder.instance},
                                             {"boot", holder.boot},
                                             {"machine", holder.machine},
                                             {"term", holder.term.count()}});
}

Holder parse_holder(std::string_view text) {
  constexpr std::size_t kMaxText = 64;
  Holder holder;
  const auto value = text.empty() ? Result<boost::json::value>(nullptr) : json::parse(text);
  if (!value || !value->is_object()) return holder;
  const auto& object = value->get_object();
  std::int64_t term = 0;
  json::read(object, "instance", holder.instance);
  json::read(object, "boot", holder.boot);
  json::read(object, "machine", holder.machine);
  json::read(object, "term", term);
  for (auto* const part : {&holder.instance, &holder.boot, &holder.machine}) {
    std::erase_if(*part, [](char c) {
      return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' &&
             c != '_';
    });
    if (part->size() > kMaxText) part->resize(kMaxText);
  }
  holder.term = clamp_term(term);
  if (!holder.known()) json::read(object, "left", holder.left);
  return holder;
}

bool Replacements::add(Time now) {
  const auto oldest = std::exchange(last_[next_], now);
  next_ = (next_ + 1) % last_.size();
  return oldest != Time{} && now - oldest <= kWithin;
}

}  // namespace smaster::fleet
