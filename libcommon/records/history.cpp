#include "records/history.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace smaster::fleet {

void History::add(Tail& tail, const ShardStatus& status, Time now,
                  const std::optional<GatewaySample>& gateway) {
  if (auto before = tail.open.add(now, status, gateway)) full_.push_back(std::move(*before));
  if (!std::exchange(tail.grown, true)) grown_.push_back(&tail);
}

std::vector<SampleBlock> History::take_unsaved(std::size_t most) {
  auto blocks = std::exchange(full_, {});
  const auto end = grown_.begin() + static_cast<std::ptrdiff_t>(std::min(most, grown_.size()));
  for (auto at = grown_.begin(); at != end; ++at) {
    (*at)->grown = false;
    blocks.push_back((*at)->open.block(false));
  }
  grown_.erase(grown_.begin(), end);
  return blocks;
}

void History::put_back(std::vector<SampleBlock> blocks) {
  std::vector<SampleBlock> full;
  for (auto& block : blocks) {
    const auto found = tails_.find(block.shard);
    if (found == tails_.end()) continue;  // the shard was removed in the meantime
    auto& tail = found->second;
    if (block.full) {
      full.push_back(std::move(block));
    } else if (!std::exchange(tail.grown, true)) {
      grown_.push_back(&tail);
    }
  }
  full.insert(full.end(), std::make_move_iterator(full_.begin()), std::make_move_iterator(full_.end()));
  if (full.size() > kMaxUnsaved) {
    full.erase(full.begin(), full.end() - static_cast<std::ptrdiff_t>(kMaxUnsaved));
  }
  full_ = std::move(full);
}

std::vector<SampleBlock> History::held(const ShardName& shard) const {
  std::vector<SampleBlock> blocks;
  for (const auto& block : full_) {
    if (block.shard == shard) blocks.push_back(block);
  }
  const auto found = tails_.find(shard);
  if (found != tails_.end()) blocks.push_back(found->second.open.block(false));
  return blocks;
}

void History::forget(const ShardName& shard) {
  const auto found = tails_.find(shard);
  if (found == tails_.end()) return;
  std::erase(grown_, &found->second);
  std::erase_if(full_, [&](const SampleBlock& block) { return block.shard == shard; });
  tails_.erase(found);
}

}  // namespace smaster::fleet
