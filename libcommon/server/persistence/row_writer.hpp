// Writes the shards' rows: at once for callers that wait, or with the next flush.
#pragma once

#include <deque>
#include <memory>
#include <set>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/event.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

class RowWriter {
 public:
  RowWriter(net::asio::io_context& context, Directory& directory, StoreThread& store, net::TaskScope& tasks)
      : context_(context), directory_(directory), store_(store), tasks_(tasks) {}

  /// Saves the shard's row with the next flush.
  void save_soon(Shard& shard);
  /// The same for a row in which only `last_seen` and `last_heartbeat` have changed: saves it if the saved
  /// times are older than kSeen. After a crash they are that much too old; silence counts from the start
  /// then.
  void saw(Shard& shard);
  static constexpr Millis kSeen{60'000};
  /// Saves the shard's row, in one write with other rows requested meanwhile; persisted when it returns ok.
  /// On an error the next flush tries again.
  net::Task<Result<void>> save_row(ShardName name);
  /// Saves the rows that are dirty now, not those that become dirty meanwhile. On an error they stay dirty.
  net::Task<Result<void>> flush();

 private:
  /// Rows that are written together.
  struct Batch {
    explicit Batch(const net::Executor& executor) : written(executor) {}
    std::set<ShardName> names;
    Result<void> result;
    bool done = false;
    net::Event written;
  };

  net::Task<> save_batches();
  static fleet::ShardInfo taken(Shard& shard);

  net::asio::io_context& context_;
  Directory& directory_;
  StoreThread& store_;
  net::TaskScope& tasks_;
  std::deque<ShardName> dirty_;                 ///< rows to be saved; may name shards that were revoked
  std::deque<std::shared_ptr<Batch>> batches_;  ///< to be written
  net::Busy saving_batches_;
};

}  // namespace smaster::server
