// Writes what has changed, every second: rows first, then statuses and events.
#pragma once

#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/events/events.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/persistence/status_history.hpp"

namespace smaster::server {

class WriteBehind {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    RowWriter& rows;
    StatusHistory& history;
    Events& events;
    StoreThread& store;
    net::TaskScope& tasks;
  };
  explicit WriteBehind(const Parts& parts) : parts_(parts), timer_(parts.context.get_executor()) {}

  void start() { arm(); }
  void stop();
  /// Writes now. Errors are logged by StoreThread; what is not written stays for the next flush.
  net::Task<> flush();

 private:
  void arm();
  net::Task<> flush_and_go_on();
  net::Task<> save_events(Result<void> before);

  const Parts parts_;
  net::Timer timer_;
  bool stopped_ = false;
};

}  // namespace smaster::server
