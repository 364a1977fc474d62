#include "server/events/alert_book.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace smaster::server {

namespace {

/// Of two sorted lists.
bool share_ids(const std::vector<ShardId>& one, const std::vector<ShardId>& other) {
  std::vector<ShardId> common;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(common));
  return !common.empty();
}

}  // namespace

bool Silence::covers(const AlertCondition& condition) const {
  if (!host.empty() && condition.host != host) return false;
  return !id || (condition.ids.size() == 1 && condition.ids.front() == *id);
}

std::size_t end_silence(std::vector<Silence>& silences, const std::string& host, std::optional<ShardId> id) {
  return std::erase_if(silences, [&](const Silence& each) { return each.host == host && each.id == id; });
}

bool AlertBook::silenced(const AlertCondition& condition) const {
  return std::any_of(silences_.begin(), silences_.end(),
                     [&](const Silence& silence) { return silence.covers(condition); });
}

std::vector<Notice> AlertBook::update(Time now, const std::vector<AlertCondition>& conditions, Millis again) {
  std::erase_if(silences_, [now](const Silence& silence) { return now >= silence.until; });
  std::vector<Notice> notices;
  for (const auto& condition : conditions) {
    auto& trouble = troubles_[condition.key];
    // About other ids altogether: that is another trouble.
    if (trouble.seen != Time{} && !condition.ids.empty() && !trouble.condition.ids.empty() &&
        !share_ids(condition.ids, trouble.condition.ids)) {
      if (trouble.told)
        notices.push_back({Notice::Kind::over, condition.key, trouble.told_text, now - trouble.since});
      trouble = {};
    }
    if (trouble.seen == Time{}) trouble.since = now;
    trouble.condition = condition;
    trouble.seen = now;
  }
  for (auto at = troubles_.begin(); at != troubles_.end();) {
    auto& [key, trouble] = *at;
    const bool there = trouble.seen == now;
    const auto lasted = now - trouble.since;
    if (there || trouble.away <= trouble.seen) trouble.away = now;
    if (!there && now - trouble.seen >= kSettle) {
      if (trouble.told)
        notices.push_back({Notice::Kind::over, key, trouble.told_text, trouble.away - trouble.since});
      at = troubles_.erase(at);
      continue;
    }
    trouble.silenced = silenced(trouble.condition);
    trouble.due = trouble.due || (there && lasted >= trouble.condition.patience);
    const bool first = !trouble.told;
    const bool due_again = !first && again > Millis{0} && now - *trouble.told >= again;
    const auto& ids = trouble.condition.ids;
    const bool grows =
        !first && now - *trouble.told >= kGrows &&
        !std::includes(trouble.told_ids.begin(), trouble.told_ids.end(), ids.begin(), ids.end());
    if (there && trouble.due && !trouble.silenced && (first || due_again || grows)) {
      const auto kind = first || grows ? Notice::Kind::begins : Notice::Kind::lasts;
      if (!trouble.condition.told_by_event || (!first && !grows)) {
        notices.push_back({kind, key, trouble.condition.text, lasted});
      }
      trouble.told = now;
      trouble.told_text = trouble.condition.text;
      std::vector<ShardId> all;
      std::set_union(trouble.told_ids.begin(), trouble.told_ids.end(), ids.begin(), ids.end(),
                     std::back_inserter(all));
      trouble.told_ids = std::move(all);
    }
    ++at;
  }
  return notices;
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
