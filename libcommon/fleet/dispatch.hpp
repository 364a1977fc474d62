// What shards are told, and when: the planner's plans, once they are saved; starts, when it is their turn to
// log in; nothing, to those whose bots fail again and again. Pure: events and time come in, orders go out.
#pragma once

#include <map>
#include <set>
#include <span>
#include <vector>

#include "fleet/breaker.hpp"
#include "fleet/identify.hpp"
#include "fleet/login_times.hpp"
#include "fleet/planner.hpp"

namespace smaster::fleet {

/// What is to be sent to a shard.
struct Order {
  enum class Kind {
    update,   ///< its role; an unbound one stops its bot
    respawn,  ///< restart the bot
    start,    ///< the answer to an agent that asked to restart a bot that died
    exit,     ///< the shard's own program is to end; who looks after it starts it again
    permit,   ///< its bot may send the IDENTIFY of `role`'s one id
  };
  Kind kind;
  ShardName shard;
  Role role;
  bool logs_in = false;  ///< counts as a login: it was its turn
  Millis delay{
      0};  ///< of a respawn: the shard waits by itself; of a permit: how long its question has waited
  std::uint64_t ask = 0;  ///< of a permit: the question that it answers
};

/// What a bot says of a login.
enum class LoginEvent {
  asks,    ///< from now on it asks before each IDENTIFY
  mute,    ///< it does not, or its library is not known
  sent,    ///< the IDENTIFY
  ready,   ///< READY came
  cancel,  ///< it does not want to log in any more, or its session was resumed
  ended,   ///< its process has ended as it was told
  died,    ///< its process has ended by itself
};

/// As man 7 smaster-channel has it; nothing for other words.
[[nodiscard]] std::optional<LoginEvent> parse_login_event(std::string_view word);

struct LoginNews {
  LoginEvent event;
  ShardId id = {};
  std::uint64_t ask = 0;  ///< the question whose permit it used or does not want; 0: none
  Time at = {};           ///< when the IDENTIFY was sent
};

/// A bot whose failures have just had it parked.
struct Parked {
  ShardName shard;
  Millis pause;
};

class Dispatch {
 public:
  Dispatch(const PlanSettings& settings, Time now) : planner_(settings), identify_(now) { set(settings); }

  void set(const PlanSettings& settings) {
    planner_.set(settings);
    patience_ = settings.patience;
    gateway_patience_ = settings.gateway_patience;
    login_patience_ = settings.login_patience;
    identify_.set_patience(login_patience_);
  }
  /// Another server has told shards what to do until now.
  void take_over(Time now) { identify_.take_over(now); }
  void limit(const IdentifyLimits& limits) { identify_.limit(limits); }
  /// The seat stays where it is.
  void add(Seat& seat);
  /// Anything of it may have changed.
  void changed(Seat& seat) { planner_.changed(seat); }
  /// It is no more.
  void remove(Seat& seat);

  /// Its connection is there; the next plan tells it its role. An agent says what it runs before.
  void joined(Seat& seat, bool agent, Time now);
  void left(Seat& seat);
  /// It has said what it runs.
  [[nodiscard]] std::optional<Parked> status(Seat& seat, const ShardStatus& status, Time now);
  /// It is to be told again what it was told, or its present goal when it is its turn.
  void remind(Seat& seat, Time now);
  /// It is to be told anew: something of what goes with its goal has changed.
  void tell_anew(Seat& seat, Time now);
  /// Restart its bot, when it is its turn. One that is parked is let go; one that is away is told when it
  /// returns with a bot that is no newer.
  void respawn(Seat& seat, Time now);
  /// Restart its bot, where no logins are limited: it does so by itself after the delay.
  void respawn_after(Seat& seat, Millis delay);
  /// Stop its bot, and start it when it has stopped and it is its turn to log in.
  void reboot(Seat& seat, Time now);
  /// End the shard's program; started again, it is told its role as ever.
  void exit(Seat& seat, Time now);
  /// Its agent asks when it may restart a bot that died.
  void ask_to_start(Seat& seat);
  /// Its bot asks to log in with `id`; a permit is ordered when it may. False: the id is not its own.
  [[nodiscard]] bool ask_login(Seat& seat, ShardId id, std::uint64_t ask, Time now);
  /// Its bot says what became of a login.
  void login(Seat& seat, const LoginNews& news, Time now);

  /// What the rules want now. It is in the seats' `info`, and goes out once `saved` says that it is on disk.
  /// `most`: as of Planner::step, and so many are told what they have not heard.
  [[nodiscard]] Plan plan(Time now, std::size_t most = kAll);
  void saved(std::span<const Assign> assignments, Time now);
  /// Starts whose turn it is, and ends of pauses.
  void tick(Time now);
  /// When tick must be called, if ever.
  [[nodiscard]] std::optional<Time> next(Time now) const;

  /// What is to be sent, in this order.
  [[nodiscard]] std::vector<Order> take_orders() { return std::exchange(orders_, {}); }

  [[nodiscard]] const Planner& planner() const { return planner_; }
  [[nodiscard]] const IdentifyQueue& identify() const { return identify_; }
  [[nodiscard]] std::optional<Time> parked_until(const Seat& seat, Time now) const {
    return breaker_.parked_until(seat.info.goal.first(), now);
  }

 private:
  void untell(Seat& seat);
  void stop_for_a_moment(Seat& seat, Time now);
  void send(Seat& seat, const Role& role, bool logs_in, Time now);
  [[nodiscard]] bool tell_all(Time now, std::size_t most);
  void want_start(const Seat& seat);
  void order_start(Seat& seat, Order::Kind kind);
  [[nodiscard]] bool asks(const Seat& seat) const;
  void learn_that_it_asks(Seat& seat, Time now);
  void follow_login(Seat& seat, const ShardStatus& status, bool first, Time now);
  void tell_ready(Time now);
  void follow_gateway(Seat& seat, const ShardStatus& status, Time now);
  void restart_the_unwell(Plan& plan, Time now);
  [[nodiscard]] std::optional<Parked> count_failures(Seat& seat, const ShardStatus& status, Time now);

  Planner planner_;
  IdentifyQueue identify_;
  Breaker breaker_;
  std::map<ShardName, Seat*> seats_;
  std::set<ShardName> untold_;
  std::optional<ShardName> told_until_;  ///< of untold_, by a plan that had to leave the rest to the next
  std::set<std::pair<Time, ShardName>> pauses_;  ///< of the parked, by their ends; also such as were let go
  std::map<ShardName, Time> unsure_;    ///< when bots that say nothing of their login are taken for logged in
  std::set<std::string> asking_kinds_;  ///< of bots: where one asks, so do the others
  LoginTimes login_times_;
  std::set<ShardName> unwell_;  ///< their bots live and are not on Discord, or hear nothing from there
  Patience patience_;
  Millis gateway_patience_{180'000};
  Millis login_patience_ = kLoginPatience;
  std::vector<Order> orders_;
};

}  // namespace smaster::fleet
