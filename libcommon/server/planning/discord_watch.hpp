// Asks Discord periodically for the recommended shard count and the login limits, and passes them to Goal.
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
    net::asio::thread_pool& rendering;
  };
  explicit DiscordWatch(const Parts& parts);
  /// Asks until `stop`; does nothing while no token is configured.
  net::Task<> run();
  /// Asks now: the token may have changed.
  void settings_changed();
  /// Discord's last answer may be outdated: asks again a minute after it.
  void ask_soon();
  void stop();
  /// Why Discord's limits are not known now, or are old; empty: they are known, or no token is configured.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  /// True if Discord itself has refused the token.
  [[nodiscard]] bool refused() const { return refused_; }

 private:
  /// Asks once. Returns the time until the next request; nullopt: not before the settings change.
  net::Task<std::optional<Millis>> ask();

  const Parts parts_;
  net::Timer pause_;
  Backoff backoff_;
  std::string trouble_;
  bool refused_ = false;
  Instant asked_{};
  Instant next_{};
  bool answered_ = false;  ///< the last request was
  bool changed_ = false;   ///< the settings have changed since the last request began
  bool stopped_ = false;
};

}  // namespace smaster::server
