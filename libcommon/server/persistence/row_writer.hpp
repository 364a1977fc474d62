// Which shards' rows are to be written: at once, for who waits for that, or with the next flush.
#pragma once

#include <deque>
#include <memory>
#include <set>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

class RowWriter {
 public:
  RowWriter(net::asio::io_context& context, Directory& directory, StoreThread& store, net::TaskScope& tasks)
      : context_(context), directory_(directory), store_(store), tasks_(tasks) {}

  /// With the next flush.
  void save_soon(Shard& shard);
  /// Saves the shard's row, together with those of all who ask for it meanwhile: on disk when it returns ok.
  net::Task<Result<void>> save_row(ShardName name);
  /// What is to be saved now; not what comes meanwhile.
  net::Task<Result<void>> flush();

 private:
  /// Rows that are written together, and who waits for that.
  struct Batch {
    explicit Batch(const net::Executor& executor) : written(executor, net::Timer::time_point::max()) {}
    std::set<ShardName> names;
    Result<void> result;
    bool done = false;
    net::Timer written;  ///< cancelled when they are
  };

  net::Task<> save_batches();

  net::asio::io_context& context_;
  Directory& directory_;
  StoreThread& store_;
  net::TaskScope& tasks_;
  std::deque<ShardName> dirty_;   ///< rows to be saved; also names that are known no more
  std::shared_ptr<Batch> batch_;  ///< the next one; empty: nobody waits for one
  net::Busy saving_batches_;
};

}  // namespace smaster::server
