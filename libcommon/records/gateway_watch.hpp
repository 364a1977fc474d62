// Judges a bot's gateway connection by the reports in its statuses: connected, event loop running, and events
// arriving at a rate that is usual for this bot. Pure: reports and time are passed in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "records/bot_report.hpp"

namespace smaster::fleet {

enum class Gateway {
  unknown,       ///< the bot does not report it
  logging_in,    ///< waiting for its turn or for READY
  running,       ///< logged in
  disconnected,  ///< the process runs without a connection, or got no READY
  refused,       ///< by Discord, with close code 4004 or 4010 to 4014
  deaf,          ///< heartbeats are acknowledged, but events have ceased
  hung,          ///< the event loop does not run
};
[[nodiscard]] std::string_view to_string(Gateway gateway);

/// The meaning of a close code that refuses a bot, and the remedy; empty for other codes.
[[nodiscard]] std::string_view refusal_words(std::int64_t code);

class GatewayWatch {
 public:
  /// Handles the reports of one status.
  void hear(const std::vector<GatewayReport>& reports, Time now);
  /// A new process has started. The past of its ids is kept.
  void restarted();

  [[nodiscard]] Gateway standing() const { return standing_; }
  [[nodiscard]] Time since() const { return since_; }
  /// The close code of the refusal; 0: not refused.
  [[nodiscard]] std::int64_t code() const { return code_; }

 private:
  /// The past of one id: whether events arrived, in slots of at least ten seconds.
  struct Past {
    std::int64_t events = -1;        ///< the last reported counter
    std::uint64_t slots = 0;         ///< slots before the current silence, one bit each: events arrived
    unsigned known = 0;              ///< number of valid bits
    unsigned silent = 0;             ///< slots without an event since the last one
    unsigned longest = 0;            ///< longest silence that ended by itself
    Time looked = kNeverLooked;      ///< time of the last slot
    std::optional<Time> identified;  ///< IDENTIFY was reported then, and no READY since
  };
  static constexpr Time kNeverLooked{};

  [[nodiscard]] Gateway judge(const GatewayReport& report, Time now);
  static bool is_deaf(const Past& past);

  std::map<ShardId, Past> past_;
  Gateway standing_ = Gateway::unknown;
  Time since_{};
  std::int64_t code_ = 0;
};

}  // namespace smaster::fleet
