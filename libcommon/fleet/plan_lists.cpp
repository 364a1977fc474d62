// In which order the index lists seats, which ids are free, and which seat comes next.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "fleet/plan_index.hpp"

namespace smaster::fleet {
namespace {

const ShardName& name(const Entry* entry) { return entry->seat->info.id; }

}  // namespace

bool ById::operator()(const Entry* a, const Entry* b) const {
  return std::forward_as_tuple(!a->usable(), a->first, name(a)) <
         std::forward_as_tuple(!b->usable(), b->first, name(b));
}
bool ByAge::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->since, name(a)) < std::tie(b->since, name(b));
}
bool ByWait::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->free_since, name(a)) < std::tie(b->free_since, name(b));
}
bool ByRoom::operator()(const Entry* a, const Entry* b) const {
  return std::tie(b->standing.room, a->first, name(a)) < std::tie(a->standing.room, b->first, name(b));
}
bool ByDeadline::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->deadline, name(a)) < std::tie(b->deadline, name(b));
}

bool Slot::obtainable(const Entry* by) const {
  return claims.empty() && (wants.empty() || wants.front() == by) &&
         std::all_of(live.begin(), live.end(), [by](const Entry* entry) { return entry == by; });
}

std::vector<ShardId> IdSet::lowest(std::size_t most) const {
  std::vector<ShardId> ids;
  for (auto at = bits_.find_first(); at != bits_.npos && ids.size() < most; at = bits_.find_next(at)) {
    ids.push_back(ShardId{static_cast<std::int32_t>(at)});
  }
  return ids;
}

Entry* PlanIndex::next_idle() const {
  Entry* best = nullptr;
  double least = std::numeric_limits<double>::max();
  for (const auto& [label, host] : hosts) {
    if (host.idle.empty()) continue;
    auto* const entry = *host.idle.begin();
    const auto load = host.load_with(std::min<std::size_t>(entry->capacity, open.size()));
    if (load < least) std::tie(best, least) = std::pair(entry, load);
  }
  return best;
}

Entry* PlanIndex::next_to_drain() const {
  if (drainable.empty() || !steady() || places() <= vacant) return nullptr;
  const auto found = std::find_if(drainable.begin(), drainable.end(), [this](const Entry* entry) {
    return entry->standing.ids <= places() - vacant;
  });
  return found == drainable.end() ? nullptr : *found;
}

Entry* PlanIndex::next_move() const {
  const Host* full = nullptr;
  for (const auto& [label, host] : hosts) {
    const bool fuller = full == nullptr || host.load_with(0) > full->load_with(0);
    const bool judged = !label.empty() && !settings_.drained.contains(label);
    if (judged && !host.placed.empty() && fuller) full = &host;
  }
  if (full == nullptr) return nullptr;
  Entry* best = nullptr;
  for (auto* const entry : full->placed) {
    const auto ids = entry->standing.ids;
    if (!entry->connected || (best != nullptr && ids >= best->standing.ids)) continue;
    // Conditions: the other host would then be less loaded than this host is now, and this host's idle seats
    // could not take the ids back.
    const bool other = std::any_of(hosts.begin(), hosts.end(), [&](const auto& item) {
      const auto& host = item.second;
      return &host != full && !host.label.empty() && !host.idle.empty() &&
             (*host.idle.begin())->capacity >= ids && host.load_with(ids) < full->load_with(0);
    });
    const bool back = !full->idle.empty() && (*full->idle.begin())->capacity < ids;
    if (other && !back) best = entry;
  }
  return best;
}

}  // namespace smaster::fleet
