// How a bot stands with Discord's gateway, judged by what it tells in its statuses: whether it is connected,
// whether its event loop turns, and whether events still come, against its own past. Pure: reports and time
// come in.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "records/bot_report.hpp"

namespace smaster::fleet {

enum class Gateway {
  unknown,       ///< nobody tells
  logging_in,    ///< waits for its turn, or has not heard READY yet
  running,       ///< logged in
  disconnected,  ///< its process lives, its connection is gone
  refused,       ///< Discord does not take it: 4004, 4010 to 4014
  deaf,          ///< heartbeats are acknowledged, and no events come where there always were some
  hung,          ///< its event loop stands
};
[[nodiscard]] std::string_view to_string(Gateway gateway);

/// What Discord means by a close code that refuses a bot, and what to do; empty: it is none of those.
[[nodiscard]] std::string_view refusal_words(std::int64_t code);

class GatewayWatch {
 public:
  /// The reports of one status.
  void hear(const std::vector<GatewayReport>& reports, Time now);
  /// A new process: what is known of its ids' past is kept.
  void restarted();

  [[nodiscard]] Gateway standing() const { return standing_; }
  [[nodiscard]] Time since() const { return since_; }
  /// The close code with which it was refused.
  [[nodiscard]] std::int64_t code() const { return code_; }

 private:
  /// Whether events came, in slots of at least ten seconds.
  struct Past {
    std::int64_t events = -1;    ///< as it last said
    std::uint64_t slots = 0;     ///< the last ones before the silence of now, a bit each: events came
    unsigned known = 0;          ///< of these bits
    unsigned silent = 0;         ///< slots without any event since the last one
    unsigned longest = 0;        ///< the longest silence that ended by itself
    Time looked = kNeverLooked;  ///< at the last slot
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
