#include "fleet/history.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace smaster::fleet {
namespace {

/// Samples kept for a disk that does not take them; the oldest go first.
constexpr std::size_t kMaxUnsaved = 200'000;

}  // namespace

void History::add(const ShardName& shard, const ShardStatus& status, Time now, Millis length) {
  auto& entries = shards_[shard];
  while (!entries.empty() && entries.front().at < now - length) entries.pop_front();
  // One sample a millisecond, so that the moment identifies it wherever it is kept.
  const auto at = entries.empty() ? now : std::max(now, entries.back().at + Millis{1});
  entries.push_back({at, pack(status)});
  unsaved_.push_back({shard, at, entries.back().packed});
}

void History::restore(Sample sample) {
  auto& entries = shards_[sample.shard];
  const auto at = std::upper_bound(entries.begin(), entries.end(), sample.at,
                                   [](Time when, const Entry& entry) { return when < entry.at; });
  entries.insert(at, {sample.at, std::move(sample.packed)});
}

std::vector<Sample> History::take_unsaved() { return std::exchange(unsaved_, {}); }

void History::put_back(std::vector<Sample> samples) {
  samples.insert(samples.end(), std::make_move_iterator(unsaved_.begin()),
                 std::make_move_iterator(unsaved_.end()));
  if (samples.size() > kMaxUnsaved) {
    samples.erase(samples.begin(), samples.end() - static_cast<std::ptrdiff_t>(kMaxUnsaved));
  }
  unsaved_ = std::move(samples);
}

void History::each(const ShardName& shard, Time since,
                   const std::function<void(const ShardStatus&)>& visit) const {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return;
  for (const auto& entry : found->second) {
    if (entry.at > since) visit(unpack(entry.packed));
  }
}

}  // namespace smaster::fleet
