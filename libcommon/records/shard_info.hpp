// What is known of one shard for good (ShardInfo), and what it last said of itself (ShardStatus). Source:
// WIRE.md, "The shard protocol". Fields a client sends in the wrong type keep their old value.
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

/// "Never" for moments: the wire has 0 or −1 for it.
inline constexpr Time kNever{};

/// The registry's row for a shard. Saved as it is; `id` and `key` never change.
struct ShardInfo {
  explicit ShardInfo(ShardName id_) : id(std::move(id_)) {}

  ShardName id;
  std::string key;  ///< public key, SPKI PEM
  bool is_master = false;
  Time last_seen = kNever;       ///< the last message from it
  Time last_heartbeat = kNever;  ///< the last status that counts as a sign of life
  Time created_time = kNever;
  Time boot_time = kNever;  ///< when it was last given an id to run
  Time stop_time = kNever;  ///< when its id was last taken away
  Assignment goal;          ///< what it was told to run
  Assignment current;       ///< what it runs, as far as is known
  /// What it was told before, and may still be running for all that it has said since.
  std::vector<Assignment> may_run;
  std::uint32_t capacity = 1;  ///< shard ids that its bot process takes at most
  std::string host;            ///< the label of its host; empty: it gave none
  Holder holder;               ///< the agent that may run it, until that has left in order
  UsedTimes used;              ///< the headers that it and its further processes have proved themselves with

  /// Whether it ever connected.
  [[nodiscard]] bool registered() const { return last_seen > kNever; }
  /// Whether it reports the id and count that it was given.
  [[nodiscard]] bool runs_goal() const { return current == goal; }
  bool operator==(const ShardInfo&) const = default;
};

/// A heartbeat's content. Sizes in bytes, ping in milliseconds, CPU load 0 … 1 a core; −1 in ping and in
/// counts of messages: the shard does not know.
struct ShardStatus {
  std::string id;
  bool is_master = false;
  Time start_time = kNever;
  Time stop_time = kNever;
  Assignment goal;
  Assignment current;
  Time timestamp = kNever;
  double time_delta = 0;  ///< milliseconds since its last status
  double message_count_delta = 0;
  double message_count_total = 0;
  double mem_heap_used = 0;
  double mem_heap_total = 0;
  double mem_rss = 0;
  double mem_external = 0;
  std::vector<double> cpu_load;
  std::string cpus = "[]";  ///< as it came: a JSON array of {model, speed, times}
  double ping = 0;
  double storage_used_total = 0;
  double storage_used_users = 0;
  std::optional<BotReport> bot;  ///< only from agents
};

void read(const boost::json::object& from, ShardInfo& info);
[[nodiscard]] boost::json::object to_json(const ShardInfo& info);

/// Without `cpus`, which is text already.
[[nodiscard]] boost::json::object to_json(const ShardStatus& status);
/// All of it as JSON text.
[[nodiscard]] std::string to_text(const ShardStatus& status);

/// The mean of its cores' loads; 0 without cores.
[[nodiscard]] double mean_load(const ShardStatus& status);

}  // namespace smaster::fleet
