#include "sim/simulator.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <vector>

#include "agent/bot/bot_life.hpp"
#include "fleet/orders.hpp"

namespace smaster::sim {
namespace {

using agent::Assignment;
using agent::BotLife;

constexpr Millis kInterval{30'000};
constexpr Millis kPing{25'000};
constexpr Millis kPingTimeout{45'000};   ///< until a cut connection is noticed, by either side
constexpr Millis kAgentGrace{5'000};     ///< what a bot gets when its agent has lost the master
constexpr Millis kMargin{7'000};         ///< as the server has it
constexpr Millis kFaults{1'200'000};     ///< for so long things go wrong
constexpr Millis kQuietTime{2'100'000};  ///< and then they may settle
constexpr Millis kSlack{60'000};         ///< ticks, heartbeats, and a bot's end

constexpr fleet::Patience kPatience{};
/// Looking at everything at every event is for small fleets.
constexpr std::size_t kSmall = 100;
constexpr Millis kLease{5'000};
constexpr Millis kUse{
    4'800};  ///< from the question, an agent lets its bot use a permit: less than it is valid
constexpr Millis kAskAgain{30'000};

class World;

/// A connection between the server and one agent; the ends notice its end at different times.
struct Connection {
  bool server_end = true;
  bool agent_end = true;
  bool cut = false;  ///< nothing passes any more, though nobody knows
  Time to_server{};  ///< the last delivery, since messages keep their order
  Time to_agent{};
};

/// One process of an agent, and its bot.
struct Host {
  explicit Host(ShardName name_) : name(std::move(name_)) {}
  ShardName name;
  std::string label;
  std::uint32_t capacity = 1;
  bool agent = true;     ///< false: one of WIRE.md's shards, which neither introduces itself nor asks
  bool up = true;        ///< it runs
  bool leaving = false;  ///< it is told to stop, and waits for its bot's end
  bool joining = false;
  std::shared_ptr<Connection> connection;  ///< as the agent sees it
  BotLife life{agent::LifeOptions{}};
  bool hung = false;                       ///< the bot lives and does nothing
  bool deaf = false;                       ///< and its agent does not manage to restart it when told to
  bool lost = false;                       ///< dead for good
  bool broken = false;                     ///< its bot dies whenever it is started
  bool ready = false;                      ///< the bot has logged in
  bool asks = false;                       ///< the bot asks before each login
  bool known_to_ask = false;               ///< to its agent, from an earlier bot or this one
  std::map<ShardId, std::uint64_t> wants;  ///< logins that it waits for, each with its last question
  std::map<std::uint64_t, Time> asked_at;  ///< each question
  std::uint64_t asks_made = 0;
  std::set<ShardId> logged_in;
  std::optional<Assignment> told;  ///< by the last update
  std::int64_t deaths = 0;
  Time started{};
  Time ended{};
  Time heard{};
  unsigned generation = 0;  ///< of the bot process
  double drift = 0;         ///< how much faster its clock is
  Millis ahead{0};
};

struct Row : fleet::Seat {
  using Seat::Seat;
  std::shared_ptr<Connection> connection;  ///< as the server sees it
  std::optional<fleet::ShardInfo> kept;    ///< as the store has it: not for heartbeats alone
  bool keeping = false;
  Assignment given;    ///< by the last plan
  unsigned asked = 0;  ///< the bot after which its agent asked to start one: the answer belongs to that
  int granted = 0;     ///< logins; two orders may be on the way at the same time
  Time granted_at{};
};

class World {
 public:
  World(std::uint64_t seed, bool trace) : random_(seed), trace_(trace) {
    now_ = from_unix_ms(1'000'000'000'000);
    begin_ = now_;
    end_of_faults_ = now_ + kFaults;
    const bool large = seed % 2000 == 0;
    const auto count = large ? pick(1'000, 3'000) : pick(2, 14);
    const auto most_ids = pick(0, 1) > 0 ? pick(1, 4) : 1;
    const auto machines = pick(1, 4);
    const bool labelled = most_ids > 1 || pick(0, 1) > 0;
    // Bots that ask, bots that don't, or both: only the first can be held to Discord's rules to the
    // millisecond.
    const auto library = pick(0, 2);
    all_ask_ = library == 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      hosts_.emplace_back(numbered(i));
      auto& host = hosts_.back();
      host.capacity = static_cast<std::uint32_t>(pick(1, most_ids));
      host.agent = all_ask_ || host.capacity > 1 || pick(0, 3) > 0;
      if (host.agent && labelled) host.label = std::string(1, static_cast<char>('A' + pick(1, machines)));
      host.asks = all_ask_ || (library == 1 && host.agent && pick(0, 1) > 0);
      host.ahead = between(-3'600'000, 3'600'000);
      host.drift = static_cast<double>(pick(0, 400)) / 100'000 - 0.002;
      room_ += host.capacity;
      fleet::ShardInfo info(host.name);
      info.created_time = now_;
      index_.emplace(host.name, static_cast<std::size_t>(i));
      rows_.emplace(host.name, Row(info));
    }
    goal_ = static_cast<std::int32_t>(pick(1, room_));
    strategy_ = fleet::Strategy::at_once;
    // One at a time a large fleet would take longer than is looked at.
    max_down_ = static_cast<unsigned>(large ? pick(10, 50) : pick(1, 3));
    if (pick(0, 1) > 0) {
      limits_.emplace();
      constexpr std::int32_t kConcurrency[] = {1, 2, 16};
      limits_->max_concurrency = large ? 64 : kConcurrency[pick(0, 2)];
      limits_->reserve = static_cast<std::int64_t>(pick(0, 10));
      limits_->total = large ? 100'000 : 1'000;
      limits_->remaining = large ? limits_->total : static_cast<std::int64_t>(pick(10, 200));
      limits_->reset_at = now_ + between(600'000, kFaults.count());
      // In some runs, periods are short and have few logins.
      if (!large && pick(0, 3) == 0) {
        limits_->total = static_cast<std::int64_t>(pick(40, 200)) + limits_->reserve;
        limits_->remaining = std::min(*limits_->remaining, limits_->total);
        limits_->reset_at = now_ + between(60'000, 300'000);
      }
      discord_ = *limits_;
    }
    if (!large && pick(0, 3) == 0) {
      // An imported registry may hold anything, also one id twice.
      for (auto& [name, r] : rows_) {
        r.info.goal = {ShardId{static_cast<std::int32_t>(pick(0, count)) - 1},
                       ShardCount{static_cast<std::int32_t>(pick(1, count))}};
        r.info.last_seen = r.info.boot_time = now_;
      }
    }
  }

  Report run() {
    server_starts();
    for (std::size_t i = 0; i < hosts_.size(); ++i) after(between(0, 20'000), [this, i] { join(i); });
    after(between(1'000, 60'000), [this] { fault(); });
    heartbeats();
    tick();
    end_ = now_ + kFaults + kQuietTime;
    while (!events_.empty() && !report_.broken && events_.top().at <= end_) {
      auto event = std::move(const_cast<Event&>(events_.top()));
      events_.pop();
      now_ = event.at;
      ++report_.events;
      event.run();
      if (check_due_) check_invariants();
    }
    if (!report_.broken) check_settled();
    return report_;
  }

 private:
  struct Event {
    Time at;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  // ---- chance and time ----

  std::uint64_t pick(std::uint64_t least, std::uint64_t most) {
    return least + random_() % (most - least + 1);
  }
  Millis between(std::int64_t least, std::int64_t most) {
    return Millis{
        static_cast<std::int64_t>(pick(static_cast<std::uint64_t>(least), static_cast<std::uint64_t>(most)))};
  }
  void after(Millis pause, std::function<void()> run) { at(now_ + pause, std::move(run)); }
  void at(Time when, std::function<void()> run) { events_.push({when, order_++, std::move(run)}); }
  /// What the host's clock says: it is off, and a little too fast or too slow.
  Instant instant(std::size_t i) const {
    const auto passed = static_cast<double>((now_ - begin_).count()) * (1 + hosts_[i].drift);
    return Instant{Millis{static_cast<std::int64_t>(passed)} + hosts_[i].ahead + Millis{10'000'000}};
  }
  Time when(std::size_t i, Instant at) const {
    const auto passed =
        std::chrono::duration_cast<Millis>(at.time_since_epoch()) - hosts_[i].ahead - Millis{10'000'000};
    return begin_ +
           Millis{static_cast<std::int64_t>(static_cast<double>(passed.count()) / (1 + hosts_[i].drift))};
  }
  static ShardName numbered(std::uint64_t i) {
    std::string letters = "s";
    for (int digit = 0; digit < 3; ++digit, i /= 26) letters += static_cast<char>('a' + i % 26);
    return *ShardName::parse(letters);
  }

  template <class... Args>
  void say(const char* form, Args... args) {
    if (!trace_) return;
    std::printf("%10.3f  ", static_cast<double>((now_ - from_unix_ms(1'000'000'000'000)).count()) / 1000);
    std::printf(form, args...);
    std::printf("\n");
  }

  // ---- the network ----

  /// Mostly quick; now and then the network stalls.
  Millis delay() { return pick(0, 99) == 0 ? between(1'000, 15'000) : between(1, 400); }

  void to_server(std::size_t i, const std::shared_ptr<Connection>& connection, std::function<void()> arrive) {
    if (connection->cut) return;
    connection->to_server = std::max(connection->to_server, now_ + delay());
    at(connection->to_server, [this, i, connection, arrive = std::move(arrive)] {
      if (!connection->cut && connection->server_end && row(i).connection == connection) arrive();
    });
  }
  void to_agent(std::size_t i, const std::shared_ptr<Connection>& connection, std::function<void()> arrive) {
    if (connection->cut) return;
    connection->to_agent = std::max(connection->to_agent, now_ + delay());
    at(connection->to_agent, [this, i, connection, arrive = std::move(arrive)] {
      if (connection->cut || !connection->agent_end || hosts_[i].connection != connection) return;
      hosts_[i].heard = now_;
      arrive();
    });
  }

  Row& row(std::size_t i) { return rows_.at(hosts_[i].name); }

  void join(std::size_t i) {
    auto& host = hosts_[i];
    host.joining = false;
    if (!host.up || host.connection) return;
    if (!server_up_) return try_again(i);
    auto connection = std::make_shared<Connection>();
    host.connection = connection;
    host.heard = now_;
    auto& r = row(i);
    if (r.connection) r.connection->server_end = false;
    if (r.connection) orders_->left(r);
    r.connection = connection;
    r.info.last_seen = now_;
    r.info.capacity = host.capacity;
    r.info.host = host.label;
    r.margin = kMargin;
    say("%s joins", host.name.str().c_str());
    if (std::exchange(r.info.holder.left, false)) keep_at_once(r);
    r.kind = host.asks ? "asks" : host.agent ? "mute" : "";
    orders_->joined(r, host.agent, now_);
    if (host.agent) {
      send_status(i);
      for (const auto& [id, ask] : std::map(host.wants)) ask_login(i, id);
      if (host.life.phase() == BotLife::Phase::asking) ask(i);
    }
    ping(i, connection);
    watch_master(i);
    replan();
  }

  /// That somebody has it again is in the store before it is told anything.
  void keep_at_once(Row& r) {
    ++r.saving;
    after(between(1, 50), [this, &r, life = server_life_] {
      if (!server_up_ || life != server_life_) return;
      r.kept = r.info;
      const std::vector<fleet::Change> claim{{r.info.id, r.info.goal}};
      orders_->saved(claim, now_);
      deliver();
      replan();
    });
  }

  void try_again(std::size_t i, std::int64_t most = 30'000) {
    if (std::exchange(hosts_[i].joining, true)) return;
    after(between(500, most), [this, i] { join(i); });
  }

  void ping(std::size_t i, const std::shared_ptr<Connection>& connection) {
    after(kPing, [this, i, connection] {
      if (!connection->server_end || row(i).connection != connection) return;
      to_agent(i, connection, [] {});
      ping(i, connection);
    });
  }

  void break_connection(std::size_t i, bool silently) {
    auto& host = hosts_[i];
    const auto connection = host.connection ? host.connection : row(i).connection;
    if (!connection || connection->cut) return;
    connection->cut = true;
    const auto most = silently ? kPingTimeout.count() : 1000;
    after(between(0, most), [this, i, connection] {
      connection->server_end = false;
      auto& r = row(i);
      if (r.connection != connection) return;
      r.connection.reset();
      r.info.last_seen = now_;
      if (server_up_) orders_->left(r);
      replan();
    });
    after(between(0, most), [this, i, connection] {
      connection->agent_end = false;
      if (hosts_[i].connection != connection) return;
      hosts_[i].connection.reset();
      watch_master(i);
      try_again(i);
    });
  }

  // ---- the server ----

  void server_starts() {
    server_up_ = true;
    since_ = now_;
    orders_.emplace(settings(), now_);
    if (limits_) {
      orders_->limit(*limits_);
      ask_discord(between(50, 5'000));
    }
    for (auto& [name, r] : rows_) {
      Row fresh(r.kept.value_or(r.info));
      fresh.kept = fresh.info;
      fresh.granted = r.granted;
      fresh.given = fresh.info.goal;
      r = std::move(fresh);
      orders_->add(r);
    }
    say("the server starts");
    replan();
  }

  /// It dies and comes back: what it had in memory only is lost, and every connection is cut.
  void server_restarts() {
    if (!std::exchange(server_up_, false)) return;
    say("the server dies");
    for (std::size_t i = 0; i < hosts_.size(); ++i) break_connection(i, false);
    for (auto& [name, r] : rows_) r.connection.reset();
    if (limits_) limits_ = orders_->identify().limits();  // they are in the store
    ++server_life_;
    after(pick(0, 3) == 0 ? between(240'000, 330'000) : between(100, 90'000), [this] { server_starts(); });
  }

  /// The leader of several is stopped, cut off, or hands over: another one begins with what the store has.
  /// What the old one had sent still arrives, and agents notice only by and by.
  void leader_changes() {
    if (!std::exchange(server_up_, false)) return;
    say("the leader is held up");
    for (auto& [name, r] : rows_) r.connection.reset();
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      const auto connection = hosts_[i].connection;
      if (!connection) continue;
      connection->server_end = false;
      after(between(100, 2 * kLease.count()), [this, i, connection] {
        connection->agent_end = false;
        if (hosts_[i].connection != connection) return;
        hosts_[i].connection.reset();
        watch_master(i);
        try_again(i, 1'500);
      });
    }
    if (limits_) limits_ = orders_->identify().limits();  // they are in the store
    ++server_life_;
    after(between(20, kLease.count() + 2'000), [this] { server_starts(); });
  }

  /// A row that has changed is in the store within a second; heartbeats alone change nothing there.
  void keep_soon(Row& r) {
    const auto& kept = r.kept;
    const bool same = kept && kept->goal == r.info.goal && kept->current == r.info.current &&
                      kept->may_run == r.info.may_run && kept->boot_time == r.info.boot_time &&
                      kept->stop_time == r.info.stop_time && kept->holder == r.info.holder;
    if (same || std::exchange(r.keeping, true)) return;
    after(between(1, 1'000), [this, &r, life = server_life_] {
      r.keeping = false;
      if (server_up_ && life == server_life_) r.kept = r.info;
    });
  }
  void replan() {
    if (!server_up_ || std::exchange(plan_due_, true)) return;
    after(Millis{5}, [this] {
      plan_due_ = false;
      if (server_up_) plan_now();
    });
  }

  fleet::PlanSettings settings() const {
    fleet::PlanSettings settings;
    settings.goal = ShardCount{goal_};
    settings.auto_generate = false;
    settings.patience.since = since_;
    settings.strategy = strategy_;
    settings.max_down = max_down_;
    settings.rebalance = rebalance_;
    settings.drained = drained_;
    return settings;
  }

  /// What a planner that was just made would do.
  fleet::Plan fresh_plan() const {
    fleet::Planner planner(settings());
    std::vector<fleet::Seat> seats;
    seats.reserve(rows_.size());
    for (const auto& [name, r] : rows_) seats.push_back(r);
    for (auto& seat : seats) planner.add(seat);
    return planner.step(now_);
  }

  void plan_now() {
    const bool compare = hosts_.size() < kSmall && ++plans_ % 16 == 0;
    const auto fresh = compare ? fresh_plan() : fleet::Plan{};
    // Mostly cut short, as those of large fleets are.
    auto plan = orders_->plan(now_, compare ? fleet::kAll : pick(1, 8));
    if (compare && plan.more) plan = orders_->plan(now_);  // the end of one that was
    if (plan.more) replan();
    for (const auto& change : plan.changes) {
      auto& r = rows_.at(change.shard);
      say("%s gets %s/%d, runs %s/%d as far as is known", change.shard.str().c_str(),
          fleet::ids_text(change.assignment).c_str(), change.assignment.count.value,
          fleet::ids_text(r.info.current).c_str(), r.info.current.count.value);
      check_assignment(r, change.assignment);
      r.given = change.assignment;
    }
    for (const auto& name : plan.reboots) say("%s is told to reboot", name.str().c_str());
    if (compare && fresh != plan) broken("a planner that was just made would plan something else");
    // A plan that has just been made needs nothing more, neither of this planner nor of a new one.
    if (compare) {
      const auto again = fresh_plan();
      if (!again.changes.empty() || !again.reboots.empty()) {
        for (const auto& a : again.changes)
          say("again: %s %s", a.shard.str().c_str(), fleet::to_text({a.assignment}).c_str());
        broken("the plan is not silent on its own result");
      }
    }
    deliver();
    after(between(1, 50), [this, life = server_life_, changes = plan.changes] {
      if (!server_up_ || life != server_life_) return;
      for (const auto& change : changes) {
        auto& r = rows_.at(change.shard);
        r.kept = r.info;
      }
      orders_->saved(changes, now_);
      deliver();
    });
    check_due_ = true;
  }

  void check_assignment(const Row& r, const Assignment& assignment) {
    if (assignment.ids.size() > r.info.capacity) broken(r.info.id.str() + " gets more ids than it can take");
    if (assignment.bound() && assignment.count.value != goal_)
      broken(r.info.id.str() + " gets an id of an old generation");
    const auto& had = r.given.ids;
    const bool fresh = std::any_of(assignment.ids.begin(), assignment.ids.end(), [&](ShardId id) {
      return std::find(had.begin(), had.end(), id) == had.end();
    });
    if (assignment.bound() && fresh && drained_.contains(r.info.host))
      broken(r.info.id.str() + " gets an id, and its host is drained");
  }

  std::size_t index(const ShardName& name) const { return index_.at(name); }

  // ---- what the server sends ----

  void deliver() {
    if (!server_up_) return;
    orders_->tick(now_, pick(1, 8));
    follow_discord();
    for (const auto& order : orders_->take_orders()) send(order);
    const auto next = orders_->next(now_);
    if (!next || (deliver_at_ > now_ && deliver_at_ <= *next)) return;
    deliver_at_ = std::max(*next, now_ + Millis{1});
    at(deliver_at_, [this, life = server_life_] {
      if (life == server_life_) deliver();
    });
  }

  void send(const fleet::Order& order) {
    const auto i = index(order.shard);
    auto& r = row(i);
    if (trace_)
      say("  -> %s: %s%s", order.shard.str().c_str(),
          order.kind == fleet::Order::Kind::update ? ("update " + fleet::to_text({order.assignment})).c_str()
          : order.kind == fleet::Order::Kind::respawn ? "respawn"
          : order.kind == fleet::Order::Kind::exit    ? "exit"
          : order.kind == fleet::Order::Kind::permit  ? "permit"
          : order.kind == fleet::Order::Kind::drop    ? "drop"
                                                      : "start",
          order.logs_in ? ", logs in" : "");
    if (!r.connection) return broken(order.shard.str() + " is sent something and is not there");
    // The answer to who asked comes with what it is told: that is one login.
    const bool again = order.kind == fleet::Order::Kind::start && r.granted_at == now_;
    if (order.logs_in && !again && !hosts_[i].asks && orders_->identify().limits()) log_in(i);
    switch (order.kind) {
      case fleet::Order::Kind::update:
        return send_update(i, order.assignment);
      case fleet::Order::Kind::respawn:
        return to_agent(i, r.connection, [this, i] {
          if (!hosts_[i].deaf) obey(i, hosts_[i].life.respawn(instant(i)));
        });
      case fleet::Order::Kind::start:
        return to_agent(i, r.connection, [this, i, asked = r.asked] {
          if (hosts_[i].generation == asked) obey(i, hosts_[i].life.granted(instant(i)));
        });
      case fleet::Order::Kind::exit:
        return to_agent(i, r.connection, [this, i] { kill_host(i); });
      case fleet::Order::Kind::drop:
        return break_connection(i, false);
      case fleet::Order::Kind::permit: {
        return to_agent(i, r.connection,
                        [this, i, id = order.assignment.first(), ask = order.ask, waited = order.delay] {
                          permit(i, id, ask, hosts_[i].asked_at[ask] + waited + kUse);
                        });
      }
    }
  }

  // ---- logins that are asked for ----

  void want_login(std::size_t i, ShardId id) {
    hosts_[i].wants[id] = 0;
    ask_login(i, id);
  }

  /// Asked anew now and then: what an answer is worth is counted from the last question.
  void ask_login(std::size_t i, ShardId id) {
    auto& host = hosts_[i];
    const auto ask = host.wants[id] = ++host.asks_made;
    if (host.connection) {
      host.asked_at[ask] = now_;
      to_server(i, host.connection, [this, i, id, ask] {
        if (orders_->ask_login(row(i), id, ask, now_)) deliver();
      });
    }
    after(kAskAgain, [this, i, id, ask] {
      const auto waits = hosts_[i].wants.find(id);
      if (waits != hosts_[i].wants.end() && waits->second == ask) ask_login(i, id);
    });
  }

  void tell_login(std::size_t i, fleet::LoginEvent event, ShardId id = {}, std::uint64_t ask = 0) {
    auto& host = hosts_[i];
    if (!host.connection || !host.up) return;
    to_server(i, host.connection, [this, i, event, id, ask] {
      orders_->login(row(i), {event, id, ask, now_}, now_);
      deliver();
      replan();
    });
  }

  void permit(std::size_t i, ShardId id, std::uint64_t ask, Time until) {
    auto& host = hosts_[i];
    const bool wanted = host.wants.contains(id);
    if (!wanted || now_ > until || pick(0, 19) == 0) {  // too late, or the bot thinks better of it
      tell_login(i, fleet::LoginEvent::cancel, id, ask);
      if (wanted) ask_login(i, id);
      return;
    }
    host.wants.erase(id);
    identify(i, id, ask);
  }

  void identify(std::size_t i, ShardId id, std::uint64_t ask) {
    const auto generation = hosts_[i].generation;
    say("%s sends IDENTIFY of %d", hosts_[i].name.str().c_str(), id.value);
    tell_login(i, fleet::LoginEvent::sent, id, ask);
    after(between(10, 200), [this, i, id, generation] {
      take_identify(i, id);
      after(between(20, 2'000), [this, i, id, generation] {
        auto& host = hosts_[i];
        if (host.generation != generation || host.life.phase() != BotLife::Phase::running) return;
        host.logged_in.insert(id);
        tell_login(i, fleet::LoginEvent::ready, id);
        if (host.logged_in.size() == host.life.assignment()->ids.size()) logged_in(i, generation);
      });
    });
  }

  // ---- Discord's budget ----

  void begin_period(Millis length) {
    discord_.remaining = discord_.total;
    discord_.reset_at = now_ + length;
    say("Discord's next period begins, with %lld logins", static_cast<long long>(discord_.total));
  }

  void renew_budget() {
    if (now_ >= discord_.reset_at) begin_period(Millis{between(300'000, 1'200'000)});
  }

  /// Discord counts for itself. It may be asked while IDENTIFYs are on their way, and a leader dies with
  /// permits that nobody knows: so much may be missing from the reserve.
  void count_identify() {
    renew_budget();
    --*discord_.remaining;
    const std::int64_t unknown = 2 * discord_.max_concurrency;
    if (all_ask_ && *discord_.remaining < discord_.reserve - unknown) {
      broken("Discord's logins are overspent: " + std::to_string(*discord_.remaining) +
             " are left of a reserve of " + std::to_string(discord_.reserve));
    }
  }

  /// The server asks for the limits.
  void ask_discord(Millis in) {
    asks_at_ = now_ + in;
    after(in, [this, life = server_life_] {
      if (!server_up_ || life != server_life_) return;
      renew_budget();
      orders_->limit(discord_);
      asked_at_ = now_;
      asks_at_.reset();
      deliver();
    });
  }

  /// As DiscordWatch does: at the end of the period, and soon after the number may have drifted, but not more
  /// often than once a minute.
  void follow_discord() {
    if (!limits_ || asks_at_) return;
    const auto& queue = orders_->identify();
    if (queue.drifted() || now_ >= queue.limits()->reset_at) {
      ask_discord(
          std::max(Millis{50}, std::chrono::duration_cast<Millis>(asked_at_ + Millis{60'000} - now_)));
    }
  }

  /// Discord's side: a bucket takes one IDENTIFY every five seconds, and the day has so many.
  void take_identify(std::size_t i, ShardId id) {
    ++report_.logins;
    if (!limits_) return;
    count_identify();
    auto& last = logins_[id.value % limits_->max_concurrency];
    if (all_ask_ && now_ < last + fleet::kIdentifyInterval) {
      broken("IDENTIFY of " + std::to_string(id.value) + " by " + hosts_[i].name.str() + " came " +
             std::to_string((now_ - last).count()) + " ms after the one before in its bucket");
    }
    last = now_;
  }

  /// Discord ends sessions, some of which can be resumed.
  void lose_session(std::size_t i) {
    auto& host = hosts_[i];
    if (!host.asks || !host.ready || host.life.phase() != BotLife::Phase::running) return;
    say("%s's sessions are lost", host.name.str().c_str());
    host.ready = false;
    const auto lost = std::exchange(host.logged_in, {});
    for (const auto id : lost) want_login(i, id);
    send_status(i);
  }

  /// Of bots that cannot ask: one start a bucket every five seconds, and so many until the reset.
  void log_in(std::size_t i) {
    auto& r = row(i);
    r.granted = std::min(r.granted + 1, 2);
    r.granted_at = now_;
    const auto& limits = *orders_->identify().limits();
    std::set<std::int32_t> buckets;
    for (const auto id : r.info.goal.ids) buckets.insert(id.value % limits.max_concurrency);
    for (const auto bucket : buckets) {
      auto& last = logins_[bucket];
      if (now_ < last + fleet::kIdentifyInterval) {
        broken("two starts within 5 s in bucket " + std::to_string(bucket) + ", the second of " +
               r.info.id.str());
      }
      last = now_;
    }
    if (limits.remaining && *limits.remaining < limits.reserve) broken("the logins kept in reserve are used");
  }

  void send_update(std::size_t i, const Assignment& assignment) {
    auto& r = row(i);
    const auto goal = assignment.bound() ? std::optional(assignment) : std::nullopt;
    const bool asks = hosts_[i].agent && orders_->identify().limits().has_value();
    to_agent(i, r.connection, [this, i, goal, asks] {
      auto& host = hosts_[i];
      if (host.leaving) return;
      host.told = goal;
      host.life.ask_first(asks);
      obey(i, host.life.set_goal(goal, instant(i)));
      if (!asks) obey(i, host.life.granted(instant(i)));
      send_status(i);
      watch_master(i);
    });
  }

  void heartbeats() {
    after(kInterval, [this] {
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (server_up_ && row(i).connection) orders_->remind(row(i), now_);
      }
      deliver();
      heartbeats();
    });
  }

  void tick() {
    after(Millis{5'000}, [this] {
      replan();
      tick();
    });
  }

  // ---- an agent ----

  void send_status(std::size_t i) {
    auto& host = hosts_[i];
    if (!host.connection || !host.up) return;
    fleet::ShardStatus status;
    status.goal = host.told.value_or(Assignment{});
    status.current = host.life.assignment().value_or(Assignment{});
    status.start_time = host.started;
    status.stop_time = host.ended;
    if (host.agent) {
      status.bot.emplace();
      status.bot->deaths = host.deaths;
      status.bot->ready = host.ready;
      status.bot->asks = host.known_to_ask;
    }
    const bool lively = !host.hung;
    to_server(i, host.connection, [this, i, status, lively] {
      auto& r = row(i);
      r.info.last_seen = now_;
      if (lively || !status.current.bound()) r.info.last_heartbeat = now_;
      const auto parked = orders_->status(r, status, now_);
      if (parked)
        say("%s is parked for %lld s", r.info.id.str().c_str(),
            static_cast<long long>(parked->pause.count() / 1000));
      if (parked) ++report_.parked;
      keep_soon(r);
      deliver();
      replan();
    });
  }

  void ask(std::size_t i) {
    to_server(i, hosts_[i].connection, [this, i, generation = hosts_[i].generation] {
      row(i).asked = generation;
      orders_->ask_to_start(row(i));
      deliver();
    });
  }

  void obey(std::size_t i, BotLife::Order order) {
    auto& host = hosts_[i];
    switch (order) {
      case BotLife::Order::none:
        break;
      case BotLife::Order::start:
        ++host.generation;
        ++report_.bots_started;
        host.hung = false;
        host.deaf = false;
        host.ready = false;
        host.wants.clear();
        host.logged_in.clear();
        host.started = now_;
        say("%s starts a bot as %s/%d", host.name.str().c_str(),
            fleet::ids_text(*host.life.assignment()).c_str(), host.life.assignment()->count.value);
        if (limits_ && host.agent && !host.asks && row(i).granted == 0) {
          broken(host.name.str() + " starts a bot, and it was not its turn to log in");
        }
        row(i).granted = std::max(row(i).granted - 1, 0);
        check_due_ = true;
        send_status(i);
        if (host.asks) {
          after(between(100, 1'000), [this, i, generation = host.generation] { boots(i, generation); });
        } else {
          after(between(500, 8'000), [this, i, generation = host.generation] { logged_in(i, generation); });
        }
        break;
      case BotLife::Order::ask:
        if (host.connection) ask(i);
        break;
      case BotLife::Order::stop:
        after(between(10, kAgentGrace.count()),
              [this, i, generation = host.generation] { bot_ends(i, generation); });
        break;
    }
    if (const auto deadline = host.life.deadline()) {
      at(std::max(when(i, *deadline), now_) + Millis{2}, [this, i] {
        if (hosts_[i].up) obey(i, hosts_[i].life.tick(instant(i)));
      });
    }
  }

  /// Its library is loaded, and later it asks.
  void boots(std::size_t i, unsigned generation) {
    auto& host = hosts_[i];
    if (host.generation != generation || host.life.phase() != BotLife::Phase::running) return;
    host.known_to_ask = true;
    tell_login(i, fleet::LoginEvent::asks);
    after(between(100, 7'000), [this, i, generation] {
      auto& h = hosts_[i];
      if (h.generation != generation || h.life.phase() != BotLife::Phase::running) return;
      if (h.broken) return bot_ends(i, generation);
      for (const auto id : h.life.assignment()->ids) want_login(i, id);
    });
  }

  void logged_in(std::size_t i, unsigned generation) {
    auto& host = hosts_[i];
    if (host.generation != generation || host.life.phase() != BotLife::Phase::running) return;
    if (host.broken) return bot_ends(i, generation);
    if (limits_ && !host.asks) {
      for (std::size_t logins = host.life.assignment()->ids.size(); logins > 0; --logins) count_identify();
    }
    host.ready = true;
    send_status(i);
  }

  void bot_ends(std::size_t i, unsigned generation) {
    auto& host = hosts_[i];
    if (host.generation != generation || !host.life.assignment()) return;
    say("%s's bot is gone", host.name.str().c_str());
    if (host.life.phase() == BotLife::Phase::running && host.up) ++host.deaths;
    host.ended = now_;
    host.ready = false;
    host.wants.clear();
    host.logged_in.clear();
    tell_login(
        i, host.life.phase() == BotLife::Phase::running ? fleet::LoginEvent::died : fleet::LoginEvent::ended);
    obey(i, host.life.exited(instant(i), random_()));
    send_status(i);
    if (host.leaving) leave(i);
    // A killed agent's successor takes over once nothing of its bot is left.
    if (!host.up) host.life = BotLife(agent::LifeOptions{});
  }

  /// An agent that has not heard its master for so long stops its bot.
  void watch_master(std::size_t i) {
    const auto& host = hosts_[i];
    const auto patience =
        host.connection ? std::max(kPatience.assume_dead_after, kPingTimeout) : kPatience.assume_dead_after;
    const auto own = [this, i](Millis patience_) {
      return Millis{
          static_cast<std::int64_t>(static_cast<double>(patience_.count()) / (1 + hosts_[i].drift))};
    };
    at(std::max(host.heard + own(patience), now_ + Millis{1}), [this, i, own] {
      auto& h = hosts_[i];
      const auto least = own(h.connection ? std::max(kPatience.assume_dead_after, kPingTimeout)
                                          : kPatience.assume_dead_after);
      if (!h.up || now_ < h.heard + least || !h.life.goal()) return;
      say("%s has lost its master", h.name.str().c_str());
      h.told.reset();
      obey(i, h.life.set_goal(std::nullopt, instant(i)));
    });
  }

  // ---- what goes wrong ----

  void fault() {
    if (now_ > end_of_faults_) return settle();
    const auto i = static_cast<std::size_t>(pick(0, hosts_.size() - 1));
    auto& host = hosts_[i];
    switch (pick(0, 19)) {
      case 0:
      case 1:
        say("%s's connection breaks", host.name.str().c_str());
        break_connection(i, false);
        break;
      case 2:
        say("%s's connection is cut silently", host.name.str().c_str());
        break_connection(i, true);
        break;
      case 3:
        if (host.life.phase() == BotLife::Phase::running) bot_ends(i, host.generation);
        break;
      case 4:
        hang(i);
        break;
      case 5:
        kill_host(i);
        break;
      case 6:
        server_restarts();
        break;
      case 7:
        change_goal();
        break;
      case 8:
        isolate(i);
        break;
      case 9:
        break_bot(i);
        break;
      case 10:
        rebalance_ = pick(0, 1) > 0;
        if (server_up_) orders_->set(settings());
        replan();
        break;
      case 11:
        operate(i);
        break;
      case 12:
      case 13:
        leader_changes();
        break;
      case 14:
        lose_session(i);
        break;
      case 15:
        say("all sessions are lost");
        for (std::size_t j = 0; j < hosts_.size(); ++j) lose_session(j);
        break;
      case 16:
      case 17:
        stop_host(i);
        break;
      case 18:
        if (!host.label.empty()) drain(host.label, true);
        break;
      case 19:
        if (!drained_.empty()) drain(*drained_.begin(), false);
        break;
      default:
        break;
    }
    after(between(1'000, 90'000), [this] { fault(); });
  }

  /// Often somebody thinks better of it at once.
  void change_goal() {
    goal_ = static_cast<std::int32_t>(pick(1, room_ + 1));
    strategy_ = pick(0, 2) == 0   ? fleet::Strategy::at_once
                : pick(0, 1) == 0 ? fleet::Strategy::rolling
                                  : fleet::Strategy::blue_green;
    say("the goal is %d, %s", goal_, std::string(fleet::to_string(strategy_)).c_str());
    uncovered_.clear();
    if (server_up_) orders_->set(settings());
    replan();
    if (pick(0, 1) > 0 && now_ < end_of_faults_)
      after(between(10, 10'000), [this] {
        if (now_ < end_of_faults_) change_goal();
      });
  }

  /// For a while its bot dies whenever it is started.
  void break_bot(std::size_t i) {
    auto& host = hosts_[i];
    if (std::exchange(host.broken, true)) return;
    say("%s's bot is broken", host.name.str().c_str());
    if (host.life.phase() == BotLife::Phase::running) bot_ends(i, host.generation);
    after(between(10'000, 600'000), [this, i] { hosts_[i].broken = false; });
  }

  /// The bot lives on and does nothing. The planner must see to it in time, unless something else happens to
  /// it.
  void hang(std::size_t i) {
    auto& host = hosts_[i];
    if (host.hung || host.life.phase() != BotLife::Phase::running) return;
    say("%s's bot hangs", host.name.str().c_str());
    host.hung = true;
    host.deaf = pick(0, 1) > 0;
    const auto connection = host.connection;
    if (!host.agent || !host.ready || limits_)
      host.deaf = true;  // to be told may take its time, to be stopped does not
    const auto patience = host.deaf ? kPatience.expect_reboot_after : kPatience.request_reboot_after;
    after(patience + kSlack, [this, i, connection, generation = host.generation, server = server_life_,
                              given = row(i).info.boot_time] {
      const auto& h = hosts_[i];
      const bool undisturbed = h.up && h.connection == connection && connection && !connection->cut &&
                               row(i).connection == connection && server == server_life_ &&
                               row(i).info.boot_time == given &&  // another id has its time from then
                               !row(i).queued();                  // that one waits for its turn to start anew
      if (undisturbed && h.generation == generation && h.life.phase() == BotLife::Phase::running) {
        broken(h.name.str() + "'s bot hangs, and nobody does anything about it");
      }
    });
  }

  /// The agent dies; its keeper ends the bot. Maybe another agent is started later, once the bot is gone.
  void kill_host(std::size_t i) {
    auto& host = hosts_[i];
    if (!host.up) return;
    say("%s dies", host.name.str().c_str());
    host.up = host.leaving = false;
    break_connection(i, false);
    after(between(10, kAgentGrace.count()),
          [this, i, generation = host.generation] { bot_ends(i, generation); });
    host.lost = pick(0, 3) == 0;
    if (!host.lost && pick(0, 2) > 0) after(between(6'000, 600'000), [this, i] { start_host(i); });
  }

  /// The agent is stopped cleanly: its bot ends, it says so and leaves. Often it is back at once.
  void stop_host(std::size_t i) {
    auto& host = hosts_[i];
    if (!host.up || !host.agent || std::exchange(host.leaving, true)) return;
    say("%s is stopped", host.name.str().c_str());
    host.told.reset();
    obey(i, host.life.set_goal(std::nullopt, instant(i)));
    leave(i);
  }

  /// Once its bot has ended: what it says last arrives before the end of its connection, or not at all.
  void leave(std::size_t i) {
    auto& host = hosts_[i];
    if (!host.up || host.life.phase() != BotLife::Phase::idle) return;
    send_status(i);
    host.up = host.leaving = false;
    if (const auto connection = std::exchange(host.connection, nullptr)) {
      to_server(i, connection, [this, i] {
        auto& info = row(i).info;
        say("%s has left", info.id.str().c_str());
        info.holder = {};
        info.holder.left = true;
        info.current = {};
        info.may_run.clear();
        keep_soon(row(i));
        orders_->changed(row(i));
      });
      to_server(i, connection, [this, i, connection] {
        auto& r = row(i);
        connection->server_end = false;
        r.connection.reset();
        r.info.last_seen = now_;
        orders_->left(r);
        replan();
      });
    }
    after(pick(0, 1) > 0 ? between(500, 5'000) : between(6'000, 600'000), [this, i] { start_host(i); });
  }

  /// An operator wants a host to be empty, or not any more.
  void drain(std::string label, bool whether) {  // a copy: it may be an element of `drained_`
    if (whether ? !drained_.insert(label).second : drained_.erase(label) == 0) return;
    say("host %s is %s", label.c_str(), whether ? "drained" : "not drained any more");
    uncovered_.clear();
    if (server_up_) orders_->set(settings());
    replan();
  }

  void start_host(std::size_t i) {
    auto& host = hosts_[i];
    if (host.up || host.life.assignment()) return;
    say("%s is back", host.name.str().c_str());
    host.up = true;
    host.told.reset();
    host.connection.reset();
    host.life = BotLife(agent::LifeOptions{});
    host.deaths = 0;
    join(i);
  }

  /// The host is cut off for a while, longer than anybody's patience perhaps.
  void isolate(std::size_t i) {
    auto& host = hosts_[i];
    if (std::exchange(host.joining, true)) return;
    say("%s is cut off", host.name.str().c_str());
    break_connection(i, true);
    after(between(1'000, 700'000), [this, i] { join(i); });
  }

  /// An operator restarts something, there or away.
  void operate(std::size_t i) {
    if (!server_up_) return;
    switch (pick(0, 2)) {
      case 0:
        say("%s is to respawn", hosts_[i].name.str().c_str());
        orders_->respawn(row(i), now_);
        break;
      case 1:
        say("%s is to reboot", hosts_[i].name.str().c_str());
        orders_->reboot(row(i), now_);
        break;
      default:
        say("%s is to exit", hosts_[i].name.str().c_str());
        orders_->exit(row(i), now_);
        break;
    }
    deliver();
  }

  /// An operator lets go what is parked.
  void release() {
    if (!server_up_) return;
    for (auto& [name, r] : rows_) {
      if (r.parked()) orders_->respawn(r, now_);
    }
    deliver();
  }

  /// No more faults: everybody comes back.
  void settle() {
    say("no more faults");
    if (limits_) {
      discord_.total = std::max<std::int64_t>(discord_.total, 1'000);
      begin_period(kQuietTime);
      if (server_up_) ask_discord(Millis{50});
    }
    // Once one bot has asked, also without Discord's limits one bot at a time logs in; some first for an
    // assignment that has been replaced meanwhile.
    const bool asked = std::any_of(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.asks; });
    if (asked && !limits_) end_ += 2 * goal_ * (fleet::kLoginPatience + fleet::kIdentifyInterval);
    after(Millis{900'000}, [this] { release(); });
    // What is drained stays so, or not. In a large fleet it would take longer than is looked at.
    if (hosts_.size() >= kSmall || pick(0, 1) > 0) {
      while (!drained_.empty()) drain(*drained_.begin(), false);
    }
    // With too few spares the old generation would stay for good, which is what blue/green promises.
    if (strategy_ == fleet::Strategy::blue_green) {
      strategy_ = fleet::Strategy::rolling;
      if (server_up_) orders_->set(settings());
      replan();
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (!hosts_[i].lost) after(between(0, 30'000), [this, i] { start_host(i); });
    }
  }

  // ---- what must hold ----

  void broken(const std::string& what) {
    if (!report_.broken) report_.broken = what;
    say("BROKEN: %s", what.c_str());
  }

  /// No shard id with two live bots in one generation.
  void check_invariants() {
    check_due_ = false;
    if (hosts_.size() >= kSmall && ++checks_ % 64 != 0) return;
    std::map<std::pair<std::int32_t, std::int32_t>, const Host*> live;
    for (const auto& host : hosts_) {
      const auto& assignment = host.life.assignment();
      if (!assignment) continue;
      for (const auto id : assignment->ids) {
        const auto [at, fresh] = live.emplace(std::pair(assignment->count.value, id.value), &host);
        if (!fresh) {
          broken("shard id " + std::to_string(id.value) + " of " + std::to_string(assignment->count.value) +
                 " runs on " + at->second->name.str() + " and on " + host.name.str());
        }
      }
    }
    if (server_up_) check_bound();
  }

  /// Every id is bound again within assume_dead_after when there is a spare.
  void check_bound() {
    const auto patience = settings().patience;
    bool spare = false;
    std::vector<bool> covered(static_cast<std::size_t>(goal_));
    std::set<std::int32_t> left;  // by agents that have stopped cleanly
    for (const auto& [name, r] : rows_) {
      const bool usable = r.connected() && !drained_.contains(r.info.host);
      if (usable && !r.info.goal.bound() && !r.must_stop_first(patience, now_)) spare = true;
      for (const auto id : r.info.goal.ids) {
        if (r.connected() && id.value < goal_) covered[static_cast<std::size_t>(id.value)] = true;
        if (r.left() && r.info.goal.count.value == goal_) left.insert(id.value);
      }
    }
    if (!spare) return uncovered_.clear();
    for (std::int32_t id = 0; id < goal_; ++id) {
      if (covered[static_cast<std::size_t>(id)]) {
        uncovered_.erase(id);
        continue;
      }
      const auto since = std::max(uncovered_.emplace(id, now_).first->second, since_);
      const auto limit = left.contains(id) ? kSlack : kPatience.assume_dead_after + kMargin + kSlack;
      if (now_ - since > limit) {
        broken("nobody was given shard id " + std::to_string(id) + " in time, and there is a spare");
      }
    }
  }

  /// With everybody back, as many ids run as there can be, and nobody has anything to do any more.
  void check_settled() {
    checks_ = 63;
    check_invariants();
    std::size_t room = 0;
    for (const auto& host : hosts_) room += host.up && !drained_.contains(host.label) ? host.capacity : 0;
    std::size_t running = 0;
    std::size_t on_drained = 0;
    for (const auto& host : hosts_) {
      const auto& assignment = host.life.assignment();
      if (!assignment) continue;
      if (assignment->count.value != goal_) broken(host.name.str() + " runs a shard that is not wanted");
      if (host.life.phase() == BotLife::Phase::running) running += assignment->ids.size();
      if (drained_.contains(host.label)) on_drained += assignment->ids.size();
      if (host.asks && !host.ready) broken(host.name.str() + " has not logged in long after the last fault");
    }
    const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(goal_), room + on_drained);
    if (running != wanted) {
      broken(std::to_string(running) + " of " + std::to_string(wanted) +
             " ids run long after the last fault");
    }
    for (const auto& host : hosts_) {
      const auto ids = host.life.assignment() ? host.life.assignment()->ids.size() : 0;
      if (ids > 0 && drained_.contains(host.label) && ids + running - on_drained <= room)
        broken(host.name.str() + " runs on a drained host, and others have room");
    }
    if (hosts_.size() >= kSmall) return;
    if (const auto plan = fresh_plan(); !plan.changes.empty() || !plan.reboots.empty()) {
      broken("the plan is not silent long after the last fault");
    }
  }

  std::mt19937_64 random_;
  const bool trace_;
  bool all_ask_ = false;
  Time now_{};
  Time begin_{};
  Time end_of_faults_{};
  Time end_{};
  Time since_{};
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  std::vector<Host> hosts_;
  std::map<ShardName, Row> rows_;
  std::map<ShardName, std::size_t> index_;
  std::optional<fleet::Orders> orders_;
  std::optional<fleet::IdentifyLimits> limits_;  ///< as the store has them; unset: the server has no token
  fleet::IdentifyLimits discord_;                ///< the truth
  std::optional<Time> asks_at_;                  ///< when Discord is asked next, if that is planned
  Time asked_at_{};
  std::map<std::int32_t, Time> logins_;  ///< each bucket's last
  std::map<std::int32_t, Time> uncovered_;
  std::uint64_t room_ = 0;
  std::int32_t goal_ = 1;
  fleet::Strategy strategy_ = fleet::Strategy::at_once;
  unsigned max_down_ = 1;
  bool rebalance_ = false;
  std::set<std::string> drained_;
  Time deliver_at_{};
  unsigned plans_ = 0;
  unsigned checks_ = 0;
  bool server_up_ = false;
  unsigned server_life_ = 0;
  bool plan_due_ = false;
  bool check_due_ = false;
  Report report_;
};

}  // namespace

Report run(std::uint64_t seed, bool trace) { return World(seed, trace).run(); }

}  // namespace smaster::sim
