// Reports shards that have been without a connection for [heartbeat] assume_dead_after.
#pragma once

#include <deque>
#include <string>

#include "net/asio.hpp"
#include "server/events/events.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Departed {
 public:
  Departed(net::asio::io_context& context, const Settings& settings, Directory& directory, Events& events)
      : settings_(settings), directory_(directory), events_(events), timer_(context.get_executor()) {}

  /// The shard's connection has ended.
  void left(const Shard& shard);
  /// This server commands from now on: shards that do not connect are reported like those that leave now.
  void take_over();
  void stop();

 private:
  struct Gone {
    ShardName name;
    Time since;
    std::string ids;  ///< when it left: once it is dead, another shard may have them
  };

  void add(const Shard& shard, Time since);
  void arm();
  void report();

  const Settings& settings_;
  Directory& directory_;
  Events& events_;
  net::Timer timer_;
  std::deque<Gone> gone_;  ///< by time
  bool armed_ = false;
  bool stopped_ = false;
};

}  // namespace smaster::server
