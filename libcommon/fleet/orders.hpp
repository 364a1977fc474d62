// Decides what shards are told, and when: the planner's assignments once they are saved; starts when it is
// their turn to log in; nothing while a bot that fails repeatedly is parked. Pure: events and time in, orders
// out.
#pragma once

#include <map>
#include <set>
#include <span>
#include <vector>

#include "fleet/asking_kinds.hpp"
#include "fleet/breaker.hpp"
#include "fleet/identify.hpp"
#include "fleet/login_times.hpp"
#include "fleet/planner.hpp"

namespace smaster::fleet {

/// A message to a shard.
struct Order {
  enum class Kind {
    update,   ///< its assignment; an unbound one stops the bot
    respawn,  ///< restart the bot
    start,    ///< permits an agent's request to restart a dead bot
    exit,     ///< ends the shard's program, which its supervisor restarts
    drop,     ///< closes the connection of an agent that sends no status
    permit,   ///< permits the IDENTIFY of the single id in `assignment`
  };
  Kind kind;
  ShardName shard;
  Assignment assignment;
  bool logs_in = false;  ///< counts as a login, for which it had its turn
  Millis delay{
      0};  ///< of a respawn: the shard waits by itself; of a permit: how long its question has waited
  std::uint64_t ask = 0;  ///< of a permit: number of the question
};

/// A bot's report about its logins.
enum class LoginEvent {
  asks,    ///< it asks before each IDENTIFY from now on
  mute,    ///< it does not ask, or its library is unknown
  sent,    ///< an IDENTIFY was sent
  ready,   ///< READY was received
  cancel,  ///< it does not need the login any more, for example because its session was resumed
  ended,   ///< its process was stopped
  died,    ///< its process died
};

/// Source: man 7 smaster-channel; nullopt for other words.
[[nodiscard]] std::optional<LoginEvent> parse_login_event(std::string_view word);

struct LoginNews {
  LoginEvent event;
  ShardId id = {};
  std::uint64_t ask = 0;  ///< number of the question whose permit was used or returned; 0: none
  Time at = {};           ///< when the IDENTIFY was sent
};

/// A bot that was parked because of this failure.
struct Parked {
  ShardName shard;
  Millis pause;
};

class Orders {
 public:
  Orders(const PlanSettings& settings, Time now) : planner_(settings), identify_(now) { set(settings); }

  void set(const PlanSettings& settings) {
    planner_.set(settings);
    patience_ = settings.patience;
    gateway_patience_ = settings.gateway_patience;
    login_patience_ = settings.login_patience;
    identify_.set_patience(login_patience_);
  }
  /// Another server has led until now: its logins are unknown.
  void take_over(Time now) { identify_.take_over(now); }
  void limit(const IdentifyLimits& limits) { identify_.limit(limits); }
  /// Adds a seat, which must not be moved in memory until `remove`.
  void add(Seat& seat);
  /// To be called after any change of the seat.
  void changed(Seat& seat) { planner_.changed(seat); }
  /// Removes a seat.
  void remove(Seat& seat);

  /// The shard has connected; the next plan sends its assignment. An agent must send a status first
  /// (`agent`).
  void joined(Seat& seat, bool agent, Time now);
  void left(Seat& seat);
  /// The shard has sent a status. Returns the pause if its bot was parked because of it.
  [[nodiscard]] std::optional<Parked> status(Seat& seat, const ShardStatus& status, Time now);
  /// Sends the shard its current order again; a start waits for its turn.
  void remind(Seat& seat, Time now);
  /// Sends the shard its goal again, because something sent along with it has changed.
  void tell_anew(Seat& seat, Time now);
  /// Restarts the bot when it is its turn to log in. Ends a pause. A disconnected shard is told when it
  /// returns, and an unheard one after its first status, unless its bot has started since.
  /// With a `delay`, a connected shard is told at once to restart it after that, without a turn: only if
  /// logins are not limited.
  void respawn(Seat& seat, Time now, std::optional<Millis> delay = {});
  /// Stops the bot, then starts it when it has stopped and it is its turn to log in.
  void reboot(Seat& seat, Time now);
  /// Ends the shard's program. After its restart the shard is told its assignment as usual.
  void exit(Seat& seat, Time now);
  /// The agent requests to restart a dead bot; answered by an order `start`.
  void ask_to_start(Seat& seat);
  /// The bot asks to log in with `id`; answered by an order `permit`. False: the id is not its own.
  [[nodiscard]] bool ask_login(Seat& seat, ShardId id, std::uint64_t ask, Time now);
  /// The bot reports the result of a login.
  void login(Seat& seat, const LoginNews& news, Time now);

  /// Applies the rules. The result is in the seats' `info`; orders follow once `saved` reports that it is
  /// persisted. `most`: limit per step, see Planner::step; also limits how many waiting seats are told.
  [[nodiscard]] Plan plan(Time now, std::size_t most = kAll);
  void saved(std::span<const Change> changes, Time now);
  /// Handles turns that are due and pauses that have ended, at most `most` of each; `next` is then `now`.
  void tick(Time now, std::size_t most = kAll);
  /// When `tick` must be called; nullopt: never.
  [[nodiscard]] std::optional<Time> next(Time now) const;

  /// Returns and removes the orders, to be sent in this order.
  [[nodiscard]] std::vector<Order> take_orders() { return std::exchange(orders_, {}); }

  [[nodiscard]] const Planner& planner() const { return planner_; }
  [[nodiscard]] const IdentifyQueue& identify() const { return identify_; }
  [[nodiscard]] std::optional<Time> parked_until(const Seat& seat, Time now) const {
    return breaker_.parked_until(seat.info.goal.first(), now);
  }

 private:
  void enter(Seat& seat, Stage stage);
  void untell(Seat& seat);
  void stop_for_a_moment(Seat& seat, Time now);
  void send(Seat& seat, Stage stage, const Assignment& assignment, bool logs_in, Time now);
  [[nodiscard]] bool tell_all(Time now, std::size_t most);
  void want_start(const Seat& seat);
  void order_start(Seat& seat, Order::Kind kind);
  [[nodiscard]] bool asks(const Seat& seat) const;
  void learn_that_it_asks(Seat& seat, Time now);
  [[nodiscard]] Time next_release(Time now) const;
  void release_askers(Time now, std::size_t most);
  void drop_the_unheard(Time now, std::size_t most);
  void follow_login(Seat& seat, const ShardStatus& status, bool first, Time now);
  void tell_ready(Time now);
  void follow_gateway(Seat& seat, const ShardStatus& status, Time now);
  void restart_the_unwell(Plan& plan, Time now, std::size_t most);
  [[nodiscard]] std::optional<Parked> count_failures(Seat& seat, const ShardStatus& status, Time now);

  Planner planner_;
  IdentifyQueue identify_;
  Breaker breaker_;
  std::map<ShardName, Seat*> seats_;
  std::set<ShardName> untold_;
  std::optional<ShardName> told_until_;  ///< of untold_, by a plan that had to leave the rest to the next
  /// Ends of the pauses of parked seats, and time limits of stopping ones; also outdated ones.
  std::set<std::pair<Time, ShardName>> pauses_;
  std::set<std::pair<Time, ShardName>> unheard_;  ///< seats in this stage, by the start of their connections
  std::map<ShardName, Time> unsure_;  ///< when bots that say nothing of their login are taken for logged in
  AskingKinds asking_kinds_;
  std::optional<Time> release_at_;  ///< when seats that wait for a turn and are now believed to ask are told
  Time released_ = kNever;          ///< start of the second in which they were told `releases_` times
  unsigned releases_ = 0;
  std::optional<ShardName> released_until_;  ///< of seats_, by a tick that had to leave the rest to the next
  bool release_again_ = false;               ///< more is known since that began
  LoginTimes login_times_;
  std::set<ShardName> unwell_;  ///< their bots live and are not on Discord, or hear nothing from there
  Patience patience_;
  Millis gateway_patience_{180'000};
  Millis login_patience_ = kLoginPatience;
  std::vector<Order> orders_;
};

}  // namespace smaster::fleet
