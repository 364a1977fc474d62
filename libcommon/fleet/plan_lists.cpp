// In which order the index lists seats, and which ids are free.
#include <algorithm>
#include <tuple>

#include "fleet/plan_index.hpp"

namespace smaster::fleet {
namespace {

const ShardName& name(const Entry* entry) { return entry->seat->info.id; }

}  // namespace

bool ById::operator()(const Entry* a, const Entry* b) const {
  return std::forward_as_tuple(!a->connected, a->first, name(a)) <
         std::forward_as_tuple(!b->connected, b->first, name(b));
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

}  // namespace smaster::fleet
