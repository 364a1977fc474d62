// The persistent data of one shard (ShardInfo), and its report about itself (ShardStatus). Source: WIRE.md,
// "The shard protocol". Fields that a client sends with the wrong type keep their old value.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "records/assignment.hpp"
#include "records/bot_report.hpp"
#include "records/holder.hpp"
#include "records/used_times.hpp"

namespace smaster::fleet {

/// The time "never"; 0 or −1 on the wire.
inline constexpr Time kNever{};

/// A registry row; persisted as it is. `id` and `key` never change.
struct ShardInfo {
  explicit ShardInfo(ShardName id_) : id(std::move(id_)) {}

  ShardName id;
  std::string key;  ///< public key, SPKI PEM
  bool is_master = false;
  Time last_seen = kNever;       ///< time of its last message
  Time last_heartbeat = kNever;  ///< time of the last status that counts as a sign of life
  Time created_time = kNever;
  Time boot_time = kNever;  ///< last assignment of an id
  Time stop_time = kNever;  ///< last removal of its id
  Assignment goal;          ///< the assigned assignment
  Assignment current;       ///< the assignment that it runs, as far as is known
  /// Earlier assignments that it may still be running, according to its reports.
  std::vector<Assignment> may_run;
  std::uint32_t capacity = 1;  ///< maximum number of shard ids per bot process
  std::string host;            ///< the label of its host; empty: none
  Holder holder;               ///< the agent that may run it; `left` when the agent has stopped cleanly
  UsedTimes used;              ///< authorization headers used by it and its further processes

  /// True if it has ever connected.
  [[nodiscard]] bool registered() const { return last_seen > kNever; }
  /// True if it reports the assigned assignment.
  [[nodiscard]] bool runs_goal() const { return current == goal; }
  bool operator==(const ShardInfo&) const = default;
};

/// A heartbeat. Sizes in bytes, ping in milliseconds, CPU load 0 … 1 per core; −1 for an unknown ping or
/// message count.
struct ShardStatus {
  std::string id;
  bool is_master = false;
  Time start_time = kNever;
  Time stop_time = kNever;
  Assignment goal;
  Assignment current;
  Time timestamp = kNever;
  double time_delta = 0;  ///< milliseconds since the previous status
  double message_count_delta = 0;
  double message_count_total = 0;
  double mem_heap_used = 0;
  double mem_heap_total = 0;
  double mem_rss = 0;
  double mem_external = 0;
  std::vector<double> cpu_load;
  std::string cpus = "[]";  ///< as received: a JSON array of {model, speed, times}
  double ping = 0;
  double storage_used_total = 0;
  double storage_used_users = 0;
  std::optional<BotReport> bot;  ///< sent by agents only
};

void read(const boost::json::object& from, ShardInfo& info);
[[nodiscard]] boost::json::object to_json(const ShardInfo& info);

/// Without `cpus`, which is JSON text already.
[[nodiscard]] boost::json::object to_json(const ShardStatus& status);
/// The whole status as JSON text.
[[nodiscard]] std::string to_text(const ShardStatus& status);

/// The mean load of its cores; 0 without cores.
[[nodiscard]] double mean_load(const ShardStatus& status);

}  // namespace smaster::fleet
