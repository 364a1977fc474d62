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
  /// Returns the blocks that have grown since the last call, each shard's in order. Open blocks are returned
  /// whole, as copies, and at most `most` of them; the rest is left to the next call.
  [[nodiscard]] std::vector<SampleBlock> take_unsaved(std::size_t most = kMaxUnsaved);
  /// Number of shards whose open blocks have grown.
  [[nodiscard]] std::size_t grown() const { return grown_.size(); }
  /// Returns blocks that could not be written.
  void put_back(std::vector<SampleBlock> blocks);
  /// The shard's blocks that may not be persisted in their current state, in order.
  [[nodiscard]] std::vector<SampleBlock> held(const ShardName& shard) const;
  void forget(const ShardName& shard);
  /// False for a shard that was forgotten, and has sent no status since.
  [[nodiscard]] bool knows(const ShardName& shard) const { return tails_.contains(shard); }

 private:
  std::unordered_map<ShardName, Tail> tails_;
  std::vector<Tail*> grown_;
  std::vector<SampleBlock> full_;
};

}  // namespace smaster::fleet
