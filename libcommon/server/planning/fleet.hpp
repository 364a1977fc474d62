// The fleet as the server holds it: every known shard, its connection, its last status. Applies the planner's
// plans, saves before it tells, and asks for heartbeats. Runs on the one thread that owns the state.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "fleet/heartbeats.hpp"
#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "records/history.hpp"
#include "records/revoked.hpp"
#include "records/shard_info.hpp"
#include "server/shards/reservation.hpp"
#include "settings/settings.hpp"
#include "store/store.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

class ShardSession;

/// A known shard and what goes on with it now.
struct Shard : fleet::Seat {
  using Seat::Seat;
  std::unique_ptr<fleet::ShardStatus> status;  ///< the last one, if any since the start
  ShardSession* session = nullptr;             ///< its live connection; `connected` once it has our proof
  bool dirty = false;                          ///< to be saved with the next flush
  fleet::Assignment listed = {};               ///< by whose ids it is found
  fleet::History::Tail* past = nullptr;        ///< its statuses, since the first one
  Instant status_at{};                         ///< when `status` came
  Millis correction_pause{};                   ///< how long until a wrong goal in a status is corrected again
  Instant corrected{};
  unsigned quiet = 0;                          ///< statuses in a row without any message
  std::optional<socketio::AckId> start_asked;  ///< `session` waits for this answer to start its bot again
  std::uint64_t registration = 0;              ///< differs where a name was revoked and registered anew
  fleet::Replacements replacements;
  std::optional<fleet::Duplicate> duplicate;  ///< another shard that has its config
  Time alerted = fleet::kNever;               ///< when the operators last heard of that
};

/// The count that the fleet is to have, and how it gets there.
struct Target {
  ShardCount count;
  fleet::Strategy strategy = fleet::Strategy::at_once;
  std::string setting;       ///< what [shards] count said when it was made
  bool by_operator = false;  ///< asked for by command: holds until the setting is changed
  bool operator==(const Target&) const = default;
};

/// As the store has it.
[[nodiscard]] std::string to_text(const Target& target);
[[nodiscard]] std::optional<Target> parse_target(const std::string& text);
inline constexpr const char* kTargetNote = "target";

/// The same of what Discord allows.
[[nodiscard]] std::string to_text(const fleet::IdentifyLimits& limits);
[[nodiscard]] std::optional<fleet::IdentifyLimits> parse_limits(const std::string& text);
inline constexpr const char* kIdentifyNote = "identify";

/// What the store has of a fleet.
struct Kept {
  std::vector<fleet::ShardInfo> shards;
  std::string target;    ///< as `to_text` wrote it; empty: none
  std::string identify;  ///< what Discord allowed
  std::string revoked;   ///< headers that were used by shards that were revoked of late
};
inline constexpr const char* kRevokedNote = "revoked";

class Fleet {
 public:
  Fleet(net::asio::io_context& context, const Settings& settings, store::Store& store,
        store::HistoryStore& past);

  /// Reads what the store has, in any thread; `take` it before anything else.
  [[nodiscard]] Result<Kept> read();
  void take(Kept kept);
  /// The same while others are served: nothing but this fleet's numbers is to be seen of it before it ends.
  net::Task<> take_in_turns(Kept kept);
  /// The same in the store's own thread; and ahead of that, as long as another server leads.
  net::Task<Result<Kept>> read_in_store();
  net::Task<Result<void>> read_ahead();
  /// Begins planning, heartbeats and write-behind.
  void start();
  /// Writes what is unsaved, unless that is another server's to do, and stops; call once, at the end.
  net::Task<> finish(bool save);
  /// What the store's own thread still does must end before the store.
  void join() { store_thread_.join(); }

  [[nodiscard]] Shard* find(const ShardName& name);
  [[nodiscard]] std::map<ShardName, Shard>& shards() { return shards_; }
  /// The shard and its further processes, as far as they are known.
  [[nodiscard]] std::set<ShardName> processes_of(const ShardName& name) const;
  /// What a shard is doing, in one word.
  [[nodiscard]] std::string_view state(const Shard& shard) const;
  /// A shard's statuses later than `since`, from the disk and what is not there yet.
  net::Task<Result<std::vector<fleet::Sample>>> history(ShardName name, Time since);
  [[nodiscard]] ShardCount goal() const { return target_.count; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] fleet::Progress progress() const { return orders_.planner().progress(); }
  [[nodiscard]] const fleet::PlanSettings& plan_settings() const { return plan_settings_; }
  /// Blue/green where the spares suffice, else rolling, unless the settings say which.
  [[nodiscard]] fleet::Strategy strategy_for(ShardCount count) const;
  /// The target that an operator asks for; without a strategy, strategy_for's.
  [[nodiscard]] Target ask_for(ShardCount count, std::optional<fleet::Strategy> strategy) const;
  /// Another goal, on disk when it returns ok.
  net::Task<Result<void>> retarget(Target target);
  /// Evens out the hosts, once.
  void rebalance();
  [[nodiscard]] bool rebalancing() const { return plan_settings_.rebalance; }
  /// Until when its bot is parked, since it fails again and again.
  [[nodiscard]] std::optional<Time> parked_until(const Shard& shard) const;
  /// Who waits to log in, and what Discord allows.
  [[nodiscard]] const fleet::IdentifyQueue& identify() const { return orders_.identify(); }
  /// Who has this id of the present goal, connected or not; while the count changes, the old generation
  /// stands in for what is not there yet. Null: nobody; the master has none.
  [[nodiscard]] Shard* holder(ShardId id);
  /// Shards that have been here, masters aside.
  [[nodiscard]] std::size_t registered() const { return registered_; }
  /// A master shard that is connected, if any.
  [[nodiscard]] const Shard* live_master() const;

  /// A connection of this shard may come; not_permitted for a master shard while another is connected or
  /// about to be.
  [[nodiscard]] Result<Reservation> reserve(const ShardName& name);
  /// The connection is there, and says whose it is: it replaces the shard's old one. Refused when the shard
  /// was revoked meanwhile, or another master shard came first.
  [[nodiscard]] Result<void> attach(ShardSession& session, Reservation reservation, fleet::Holder claimant);
  /// The connection, unless it has ended or was replaced.
  [[nodiscard]] ShardSession* session(const ShardRef& ref);
  /// Why an agent may not have its shard's place now: another one has it, whose bot may still run.
  [[nodiscard]] std::optional<std::string> refusal(const ShardName& name,
                                                   const fleet::Holder& claimant) const;
  /// The same, and remembers that it was there.
  [[nodiscard]] std::optional<std::string> refuse(const ShardSession& session, const fleet::Holder& claimant);
  /// An agent asks how long its bot may run. It may for `term` from when it asked; nobody gets its ids
  /// before.
  void extend_lease(Shard& shard, Millis term);
  /// An agent leaves, and no bot of its runs.
  void leave(Shard& shard);
  /// What its shard can take: shard ids a process, and on which host.
  void introduced(ShardSession& session, std::uint32_t capacity, const std::string& host,
                  const std::string& kind);
  /// It has joined the namespace and has our proof: it may be told its id.
  void joined(ShardSession& session);
  void detach(ShardSession& session);
  /// `names`: as read_status has them.
  void status(Shard& shard, std::string_view json, std::span<const std::string_view> names);
  void seen(Shard& shard);

  /// Saves the shard's row, together with those of all who ask for it meanwhile: on disk when it returns ok.
  net::Task<Result<void>> save_row(ShardName name);

  /// Adds shards to the registry: saved when it returns ok, all or none. not_found for further processes of a
  /// shard that was revoked meanwhile.
  net::Task<Result<void>> add(std::vector<fleet::ShardInfo> shards);

  /// Revokes shards: their connections are closed, their ids are free, at once. An error says that they are
  /// still on disk.
  net::Task<Result<void>> remove(std::vector<ShardName> names);
  /// Takes over samples of known shards from elsewhere; on disk when it returns ok.
  net::Task<Result<void>> add_history(std::vector<fleet::SampleBlock> blocks);

  /// Changes that come together are planned together.
  static constexpr Millis kPlanDelay{5};
  /// Something changed that the planner must know of.
  void replan(Millis delay = kPlanDelay);
  /// Sends the shard its `update` now, if it can hear it.
  void send_update(Shard& shard);
  void settings_changed();
  /// Tells a connected shard to restart its bot, when it is its turn to log in. One that is parked is let
  /// go.
  void respawn(Shard& shard);
  /// Where no logins are limited: tells it to restart its bot after this delay.
  void respawn_after(Shard& shard, Millis delay);
  /// Stops its bot, which starts again when it has stopped and it is its turn to log in.
  void reboot(Shard& shard);
  /// Ends the shard's own program.
  void exit(Shard& shard);
  /// Its agent asks when it may restart a bot that died; the ack is the answer.
  void may_start(Shard& shard, socketio::AckId ack_id);
  /// Its bot asks to send the IDENTIFY of `id`: a `permit` follows when it may. False: it never may.
  [[nodiscard]] bool ask_login(Shard& shard, ShardId id, std::uint64_t ask);
  /// Its bot says what became of a login; an IDENTIFY was sent `ago`.
  void login(Shard& shard, fleet::LoginNews news, Millis ago);
  /// What Discord recommends and allows.
  void discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits);

  /// A text that is kept for somebody under a name; empty: none was saved.
  [[nodiscard]] Result<std::string> load_note(const std::string& name) { return store_.load_note(name); }
  net::Task<Result<std::string>> load_note_in_store(std::string name) {
    co_return co_await net::run_in(store_thread_, [this, &name] { return store_.load_note(name); });
  }
  net::Task<Result<void>> save_note(std::string name, std::string text) {
    co_return co_await in_store([this, &name, &text] { return store_.save_note(name, text); });
  }

  /// Why the store cannot be written, while it cannot; empty: all is well.
  [[nodiscard]] const std::string& store_trouble() const { return store_trouble_; }

  /// Set by the server: the store says that another one leads.
  std::function<void(const std::string&)> deposed;
  /// Set by the server: somebody logged in without asking, so that Discord must say how many logins are left.
  std::function<void()> logins_drifted;
  /// Set by the server: tells the operators of something that needs them.
  std::function<void(const std::string&)> alert;
  /// Set by the server: makes one config, then calls replan by way of `add`.
  std::function<net::Task<>(fleet::Generate)> generate;

 private:
  void run_plan();
  void arm_tick();
  void follow_settings();
  net::Task<Result<void>> save(Target target);
  void set_plan_settings();
  net::Task<> tell_all_anew();
  net::Task<> say(fleet::Plan plan);
  void say(std::span<const fleet::Change> changes);
  void say(const fleet::Parked& parked);
  void say_refused(const Shard& shard);
  net::Task<> save_then_tell(std::vector<fleet::Change> changes, bool aloud);
  void claim(Shard& shard, fleet::Holder claimant, bool replaces);
  void count_replacement(Shard& shard, const ShardSession& old, const ShardSession& session);
  void deliver();
  void deliver_later();
  void send_orders();
  void deliver(const fleet::Order& order);
  [[nodiscard]] bool budget_kept();
  net::Task<> keep_budget();
  void arm_dispatch();
  [[nodiscard]] std::string update_text(const Shard& shard, ShardId id,
                                        const fleet::Assignment& assignment) const;
  net::Task<> generate_one(fleet::Generate what);
  net::Task<> save_target(Target target);
  void arm_heartbeats();
  void send_heartbeats();
  void arm_flush();
  net::Task<> flush_and_go_on();
  net::Task<> flush();
  void store_wrote(const Result<void>& written);
  /// Writes in the store's own thread. What the store throws is an error like others.
  template <class Write>
  net::Task<Result<void>> in_store(Write write) {
    const auto safely = [&write]() -> Result<void> {
      try {
        return write();
      } catch (const std::exception& error) {
        return fail(ErrorKind::internal, std::string("the store failed: ") + error.what());
      }
    };
    auto written = co_await net::run_in(store_thread_, safely);
    store_wrote(written);
    co_return written;
  }
  /// Rows that are written together, and who waits for that.
  struct Batch {
    explicit Batch(const net::Executor& executor) : written(executor, net::Timer::time_point::max()) {}
    std::set<ShardName> names;
    Result<void> result;
    bool done = false;
    net::Timer written;  ///< cancelled when they are
  };
  net::Task<Result<void>> remove_some(std::vector<ShardName> names);
  net::Task<> save_batches();
  bool update_config_text();
  void insert(fleet::ShardInfo info);
  void list(Shard& shard);
  void save_soon(Shard& shard);
  [[nodiscard]] static bool counts_as_registered(const Shard& shard);

  net::asio::io_context& context_;
  const Settings& settings_;
  store::Store& store_;
  store::HistoryStore& past_;
  net::asio::thread_pool store_thread_{1};
  std::map<ShardName, Shard> shards_;
  std::unordered_map<ShardName, Shard*> index_;  ///< of the same: each message's shard is looked up
  std::unordered_map<ShardName, std::set<ShardName>> processes_;   ///< further ones, by the first one's name
  std::unordered_map<std::int32_t, std::vector<Shard*>> holders_;  ///< by shard id, of any count
  std::set<ShardName> masters_;
  std::size_t registered_ = 0;
  std::deque<ShardName> dirty_;  ///< rows to be saved; also names that are known no more
  fleet::Revoked revoked_;
  std::uint64_t registrations_ = 0;                         ///< made so far
  std::uint64_t connections_ = 0;                           ///< reserved so far
  std::weak_ptr<const ShardName> master_;                   ///< a master shard that was admitted
  std::list<std::shared_ptr<std::set<ShardName>>> adding_;  ///< names that are being saved, by `add`
  fleet::History history_;
  fleet::HeartbeatRing ring_;
  std::string config_text_;  ///< the `config` of every update, as JSON
  fleet::PlanSettings plan_settings_;
  fleet::Orders orders_;
  Target target_;
  ShardCount recommended_;  ///< by Discord; unknown until it is asked
  net::Timer dispatch_timer_;
  net::Timer plan_timer_;
  net::Timer tick_timer_;
  net::Timer heartbeat_timer_;
  net::Timer flush_timer_;
  /// The logins as the store has them: some more are counted there than were made.
  std::optional<fleet::IdentifyLimits> budget_;
  net::Busy keeping_budget_;
  std::shared_ptr<Batch> batch_;  ///< the next one; empty: nobody waits for one
  net::Busy saving_batches_;
  bool plan_due_ = false;
  bool delivery_due_ = false;
  std::deque<fleet::Order> outbox_;  ///< orders that are sent as turns allow
  bool sending_ = false;
  net::Busy generating_;
  /// Shards that have other agents than before; to be saved before they are told anything.
  std::vector<fleet::Change> claims_;
  std::string store_trouble_;  ///< what its last write said; empty: all is well
  bool finished_ = false;
  net::TaskScope tasks_;
};

}  // namespace smaster::server
