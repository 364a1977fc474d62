// The fleet as the server holds it: every known shard, its connection, its last status. Applies the planner's
// plans, saves before it tells, and asks for heartbeats. Runs on the one thread that owns the state.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "fleet/heartbeats.hpp"
#include "fleet/history.hpp"
#include "fleet/identify.hpp"
#include "fleet/planner.hpp"
#include "fleet/shard_info.hpp"
#include "net/asio.hpp"
#include "server/settings.hpp"
#include "store/store.hpp"

namespace smaster::server {

class ShardSession;

/// A known shard and what goes on with it now.
struct Shard {
  explicit Shard(fleet::ShardInfo info_) : info(std::move(info_)) {}
  fleet::ShardInfo info;
  std::unique_ptr<fleet::ShardStatus> status;  ///< the last one, if any since the start
  ShardSession* session = nullptr;             ///< its live connection
  bool joined = false;        ///< the connection has joined the namespace and heard our proof
  bool dirty = false;         ///< to be saved with the next flush
  bool told = true;           ///< has been sent its present id
  unsigned saving = 0;        ///< saves under way that it must not hear of before they are done
  Instant status_at{};        ///< when `status` came
  Millis correction_pause{};  ///< how long until a wrong goal in a status is corrected again
  Instant corrected{};
  unsigned quiet = 0;                 ///< statuses in a row without any message
  Time reboot_asked = fleet::kNever;  ///< when it was last told to reboot because it was silent
  bool respawn_due = false;           ///< is to restart its bot when it is its turn to log in
};

/// What a shard is doing, in one word.
[[nodiscard]] std::string_view state_word(const Shard& shard, const Settings& settings, Time now);

class Fleet {
 public:
  Fleet(net::asio::io_context& context, const Settings& settings, store::Store& store);

  /// Reads the registry and the history; call before anything else.
  [[nodiscard]] Result<void> load();
  /// Begins planning, heartbeats and write-behind.
  void start();
  /// Writes what is unsaved and stops; call once, at the end.
  net::Task<> finish();

  [[nodiscard]] Shard* find(const ShardName& name);
  [[nodiscard]] std::map<ShardName, Shard>& shards() { return shards_; }
  [[nodiscard]] fleet::History& history() { return history_; }
  [[nodiscard]] ShardCount goal() const { return settings_.count_auto ? recommended_ : settings_.count; }
  /// Who waits to log in, and what Discord allows.
  [[nodiscard]] const fleet::IdentifyQueue& identify() const { return identify_; }
  /// Who has which id of the present goal, connected or not; the master has none.
  [[nodiscard]] std::map<ShardId, Shard*> by_id();
  /// A master shard that is connected, if any.
  [[nodiscard]] const Shard* live_master() const;

  /// A session is authenticated: it replaces the shard's old one.
  void attach(ShardSession& session);
  /// It has joined the namespace and has our proof: it may be told its id.
  void joined(ShardSession& session);
  void detach(ShardSession& session);
  void status(Shard& shard, std::string_view json);
  void seen(Shard& shard);

  /// Adds shards to the registry: saved when it returns ok, all or none.
  net::Task<Result<void>> add(std::vector<fleet::ShardInfo> shards);

  /// Something changed that the planner must know of.
  void replan();
  /// Sends the shard its `update` now, if it can hear it.
  void send_update(Shard& shard);
  void settings_changed();
  /// Tells a connected shard to restart its bot, when it is its turn to log in.
  void respawn(Shard& shard);
  /// What Discord recommends and allows.
  void discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits);

  /// Set by the server: makes one config, then calls replan by way of `add`.
  std::function<net::Task<>(fleet::Generate)> generate;

 private:
  void run_plan();
  void arm_tick();
  void apply(const std::vector<fleet::Assign>& assignments);
  void reboot(const ShardName& name);
  net::Task<> save_then_tell(std::vector<ShardName> names);
  void tell_all();
  void send_now(Shard& shard);
  void arm_identify();
  void wait_for_turn();
  void start_due();
  net::Task<> generate_one(fleet::Generate what);
  void arm_heartbeats();
  void send_heartbeats();
  void arm_flush();
  net::Task<> flush();
  void update_config_text();

  net::asio::io_context& context_;
  const Settings& settings_;
  store::Store& store_;
  net::asio::thread_pool store_thread_{1};
  std::map<ShardName, Shard> shards_;
  fleet::History history_;
  fleet::HeartbeatRing ring_;
  std::string config_text_;  ///< the `config` of every update, as JSON
  fleet::IdentifyQueue identify_;
  ShardCount recommended_;  ///< by Discord; unknown until it is asked
  net::Timer identify_timer_;
  net::Timer plan_timer_;
  net::Timer tick_timer_;
  Time since_ = fleet::kNever;  ///< when shards could begin to be heard
  net::Timer heartbeat_timer_;
  net::Timer flush_timer_;
  bool plan_due_ = false;
  bool identify_due_ = false;
  bool generating_ = false;
  bool store_failing_ = false;
  bool finished_ = false;
};

}  // namespace smaster::server
