// The part of the shards' history that is not persisted yet. Does no I/O: returns blocks to be written.
#pragma once

#include <unordered_map>
#include <vector>

#include "records/samples.hpp"

namespace smaster::fleet {

class History {
 public:
  /// Maximum number of blocks kept while the store fails, about 30 MB; beyond that the oldest are dropped.
  static constexpr std::size_t kMaxUnsaved = 20'000;

  /// The open block of one shard.
  struct Tail {
    explicit Tail(const ShardName& shard) : open(shard) {}
    OpenBlock open;
    bool grown = false;
  };

  /// The shard's tail, created if missing; valid until `forget`.
  [[nodiscard]] Tail& of(const ShardName& shard) { return tails_.try_emplace(shard, shard).first->second; }
  /// Adds a status received at `now`.
  void add(Tail& tail, const ShardStatus& status, Time now, const std::optional<GatewaySample>& gateway = {});
  /// The blocks that have grown since the last call, a shard's in their order. An open one holds all that it
  /// held before. Each open one is copied: those of more than `most` shards are left to the next call.
  [[nodiscard]] std::vector<SampleBlock> take_unsaved(std::size_t most = kMaxUnsaved);
  /// Number of shards whose open blocks have grown.
  [[nodiscard]] std::size_t grown() const { return grown_.size(); }
  /// Returns blocks that could not be written.
  void put_back(std::vector<SampleBlock> blocks);
  /// The shard's blocks that are not persisted in their current state.
  [[nodiscard]] std::vector<SampleBlock> held(const ShardName& shard) const;
  void forget(const ShardName& shard);

 private:
  std::unordered_map<ShardName, Tail> tails_;
  std::vector<Tail*> grown_;
  std::vector<SampleBlock> full_;
};

}  // namespace smaster::fleet
