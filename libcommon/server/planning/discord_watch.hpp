// Asks Discord, now and then, how many shards it recommends and how many logins it allows; tells the fleet.
#pragma once

#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "net/asio.hpp"
#include "net/http_client.hpp"
#include "server/planning/goal.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class DiscordWatch {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    Goal& goal;
  };
  explicit DiscordWatch(const Parts& parts);
  /// Asks until `stop`; does nothing while no token is configured.
  net::Task<> run();
  /// The settings changed, maybe the token: ask now.
  void settings_changed();
  /// What it said last may no longer be true: ask within a minute.
  void ask_soon();
  void stop();

 private:
  /// Asks once; says when to ask again, nothing: not before the settings change.
  net::Task<std::optional<Millis>> ask();

  const Parts parts_;
  net::Timer pause_;
  Backoff backoff_;
  Instant asked_{};
  Instant next_{};
  bool stopped_ = false;
};

}  // namespace smaster::server
