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

/// A condition that is new. One about ids of a restored trouble that has not shown itself yet is the same: an
/// id counts as down long before it counts as dead.
void AlertBook::begin(Trouble& trouble, const AlertCondition& condition, Time now) {
  trouble.since = now;
  if (condition.ids.empty()) return;
  for (auto at = troubles_.begin(); at != troubles_.end(); ++at) {
    auto& other = at->second;
    if (&other == &trouble || now >= other.held_until || other.seen == now ||
        !std::includes(other.told_ids.begin(), other.told_ids.end(), condition.ids.begin(),
                       condition.ids.end())) {
      continue;
    }
    trouble = std::move(other);
    troubles_.erase(at);
    return;
  }
}

std::vector<Notice> AlertBook::update(Time now, const std::vector<AlertCondition>& conditions, Millis again,
                                      const std::function<bool(ShardId)>& is_up) {
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
    if (trouble.seen == Time{}) begin(trouble, condition, now);
    trouble.condition = condition;
    trouble.seen = now;
  }
  for (auto at = troubles_.begin(); at != troubles_.end();) {
    auto& [key, trouble] = *at;
    const bool there = trouble.seen == now;
    const auto lasted = now - trouble.since;
    if (there || trouble.away <= trouble.seen) trouble.away = now;
    const auto& restored = trouble.told_ids;
    if (now < trouble.held_until && !there) {
      const bool well = is_up && !trouble.condition.runs && !restored.empty() &&
                        std::all_of(restored.begin(), restored.end(), is_up);
      if (!well) trouble.seen = trouble.away = now;
    }
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

std::vector<ToldAlert> AlertBook::told() const {
  std::vector<ToldAlert> told;
  for (const auto& [key, trouble] : troubles_) {
    if (!trouble.told) continue;
    told.push_back({key, trouble.told_text, trouble.condition.host, trouble.told_ids, trouble.condition.runs,
                    trouble.since, *trouble.told});
  }
  return told;
}

void AlertBook::restore(const std::vector<ToldAlert>& alerts, Time now, Time held_until) {
  for (const auto& alert : alerts) {
    Trouble trouble;
    trouble.condition = {alert.key, alert.text};
    trouble.condition.host = alert.host;
    trouble.condition.ids = alert.ids;
    trouble.condition.runs = alert.runs;
    trouble.since = alert.since;
    trouble.seen = trouble.away = now;
    trouble.told = alert.told;
    trouble.told_ids = alert.ids;
    trouble.told_text = alert.text;
    trouble.before = alert;
    trouble.held_until = alert.ids.empty() ? now + kUnsure : held_until;
    trouble.due = true;
    troubles_.try_emplace(alert.key, std::move(trouble));
  }
}

bool AlertBook::was_told(const std::string& key, const std::vector<ShardId>& ids, Time after) const {
  const auto found = troubles_.find(key);
  if (found == troubles_.end() || !found->second.before || found->second.before->told <= after) return false;
  const auto& told = found->second.before->ids;
  return ids.empty() ? told.empty() : std::includes(told.begin(), told.end(), ids.begin(), ids.end());
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
