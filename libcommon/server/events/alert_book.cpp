#include "server/events/alert_book.hpp"

#include <algorithm>
#include <utility>

namespace smaster::server {

bool Silence::covers(const AlertCondition& condition) const {
  if (!host.empty() && condition.host != host) return false;
  return !id || (condition.ids.size() == 1 && condition.ids.front() == *id);
}

bool AlertBook::silenced(const AlertCondition& condition) const {
  return std::any_of(silences_.begin(), silences_.end(),
                     [&](const Silence& silence) { return silence.covers(condition); });
}

std::vector<Notice> AlertBook::update(Time now, const std::vector<AlertCondition>& conditions, Millis again) {
  std::erase_if(silences_, [now](const Silence& silence) { return now >= silence.until; });
  for (const auto& condition : conditions) {
    auto& trouble = troubles_[condition.key];
    if (trouble.seen == Time{}) trouble.since = now;
    trouble.condition = condition;
    trouble.seen = now;
  }
  std::vector<Notice> notices;
  for (auto at = troubles_.begin(); at != troubles_.end();) {
    auto& [key, trouble] = *at;
    const bool there = trouble.seen == now;
    const auto lasted = now - trouble.since;
    if (there || trouble.away <= trouble.seen) trouble.away = now;
    if (!there && now - trouble.seen >= kSettle) {
      if (trouble.told)
        notices.push_back({Notice::Kind::over, key, trouble.condition.text, trouble.away - trouble.since});
      at = troubles_.erase(at);
      continue;
    }
    trouble.silenced = silenced(trouble.condition);
    trouble.due = trouble.due || (there && lasted >= trouble.condition.patience);
    const bool first = !trouble.told;
    const bool due_again = !first && again > Millis{0} && now - *trouble.told >= again;
    if (there && trouble.due && !trouble.silenced && (first || due_again)) {
      const auto kind = first ? Notice::Kind::begins : Notice::Kind::lasts;
      if (!first || !trouble.condition.told_by_event)
        notices.push_back({kind, key, trouble.condition.text, lasted});
      trouble.told = now;
    }
    ++at;
  }
  return notices;
}

std::size_t AlertBook::unsilence(const std::string& host, std::optional<ShardId> id) {
  return std::erase_if(silences_, [&](const Silence& each) { return each.host == host && each.id == id; });
}

std::vector<ActiveAlert> AlertBook::active() const {
  std::vector<ActiveAlert> active;
  for (const auto& [key, trouble] : troubles_) {
    if (trouble.due) active.push_back({key, trouble.condition.text, trouble.since, trouble.silenced});
  }
  std::sort(active.begin(), active.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
  return active;
}

}  // namespace smaster::server
