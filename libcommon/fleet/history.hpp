// What is new of the shards' pasts, until it is on disk. Knows no disk: hands out blocks for whoever writes.
#pragma once

#include <unordered_map>
#include <vector>

#include "fleet/samples.hpp"

namespace smaster::fleet {

class History {
 public:
  /// Blocks kept for a disk that does not take them, some 30 MB; the oldest go first.
  static constexpr std::size_t kMaxUnsaved = 20'000;

  /// One shard's open block.
  struct Tail {
    explicit Tail(const ShardName& shard) : open(shard) {}
    OpenBlock open;
    bool grown = false;
  };

  /// The shard's, made when it is missing; it stays where it is until the shard is forgotten.
  [[nodiscard]] Tail& of(const ShardName& shard) { return tails_.try_emplace(shard, shard).first->second; }
  /// Adds a status received at `now`.
  void add(Tail& tail, const ShardStatus& status, Time now, const std::optional<GatewaySample>& gateway = {});
  /// The blocks that have grown since the last call, a shard's in their order. An open one holds all that it
  /// held before.
  [[nodiscard]] std::vector<SampleBlock> take_unsaved();
  /// Puts back what could not be written.
  void put_back(std::vector<SampleBlock> blocks);
  /// The shard's blocks that may not be on disk, or not as they are now.
  [[nodiscard]] std::vector<SampleBlock> held(const ShardName& shard) const;
  void forget(const ShardName& shard);

 private:
  std::unordered_map<ShardName, Tail> tails_;
  std::vector<Tail*> grown_;
  std::vector<SampleBlock> full_;
};

}  // namespace smaster::fleet
