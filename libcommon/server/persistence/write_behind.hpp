// Writes what has changed, every second: rows first, then statuses.
#pragma once

#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/persistence/status_history.hpp"

namespace smaster::server {

class WriteBehind {
 public:
  WriteBehind(net::asio::io_context& context, RowWriter& rows, StatusHistory& history, net::TaskScope& tasks)
      : rows_(rows), history_(history), tasks_(tasks), timer_(context.get_executor()) {}

  void start() { arm(); }
  void stop();
  /// Writes now. Errors are logged by StoreThread; what is not written stays for the next flush.
  net::Task<> flush();

 private:
  void arm();
  net::Task<> flush_and_go_on();

  RowWriter& rows_;
  StatusHistory& history_;
  net::TaskScope& tasks_;
  net::Timer timer_;
  bool stopped_ = false;
};

}  // namespace smaster::server
