// The status history: the latest statuses in memory until the next flush, and those of [heartbeat]
// history_length in the store.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "records/history.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/shards/shard.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class StatusHistory {
 public:
  StatusHistory(const Settings& settings, StoreThread& store) : settings_(settings), store_(store) {}

  /// Adds a status received now.
  void add(Shard& shard, const fleet::ShardStatus& status);
  /// A shard's statuses later than `since`, from the store and from memory.
  net::Task<Result<std::vector<fleet::Sample>>> read(ShardName name, Time since);
  /// Imports samples of known shards; persisted when it returns ok.
  net::Task<Result<void>> import(std::vector<fleet::SampleBlock> blocks);
  void forget(const ShardName& name) { recent_.forget(name); }

  /// Takes the blocks that are not persisted, for `save`. Copies them in several turns of the loop.
  net::Task<std::vector<fleet::SampleBlock>> take_unsaved();
  /// Writes the blocks, unless `before` is an error. Blocks that are not written are kept for the next flush.
  net::Task<> save(std::vector<fleet::SampleBlock> blocks, Result<void> before);

 private:
  [[nodiscard]] Time oldest() const;

  const Settings& settings_;
  StoreThread& store_;
  fleet::History recent_;
};

}  // namespace smaster::server
