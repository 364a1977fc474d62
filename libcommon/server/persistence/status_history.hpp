// Where shards' statuses are kept: the latest in memory, until the next flush, and all of [heartbeat]
// history_length on disk.
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

  /// A status of the shard that has just come.
  void add(Shard& shard, const fleet::ShardStatus& status);
  /// A shard's statuses later than `since`, from the disk and what is not there yet.
  net::Task<Result<std::vector<fleet::Sample>>> read(ShardName name, Time since);
  /// Takes over samples of known shards from elsewhere; on disk when it returns ok.
  net::Task<Result<void>> import(std::vector<fleet::SampleBlock> blocks);
  void forget(const ShardName& name) { recent_.forget(name); }

  /// What is not on disk, for `save`.
  net::Task<std::vector<fleet::SampleBlock>> take_unsaved();
  /// Writes it, unless what was written before it failed; what is not written is kept.
  net::Task<> save(std::vector<fleet::SampleBlock> blocks, Result<void> before);

 private:
  [[nodiscard]] Time oldest() const;

  const Settings& settings_;
  StoreThread& store_;
  fleet::History recent_;
};

}  // namespace smaster::server
