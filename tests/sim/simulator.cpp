#include "sim/simulator.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "agent/bot_life.hpp"
#include "fleet/planner.hpp"

namespace smaster::sim {
namespace {

using agent::BotLife;
using agent::Role;

constexpr Millis kInterval{30'000};
constexpr Millis kPing{25'000};
constexpr Millis kPingTimeout{45'000};   ///< until a cut connection is noticed, by either side
constexpr Millis kAgentGrace{5'000};     ///< what a bot gets when its agent has lost the master
constexpr Millis kMargin{7'000};         ///< as the server has it
constexpr Millis kFaults{1'200'000};     ///< for so long things go wrong
constexpr Millis kQuietTime{2'100'000};  ///< and then they may settle
constexpr Millis kNoSave{20};
constexpr Millis kSlack{60'000};  ///< ticks, heartbeats, and a bot's end

constexpr fleet::PlanSettings kSettings{};

class World;

/// A connection between the server and one agent; the ends notice its end at different times.
struct Connection {
  bool server_end = true;
  bool agent_end = true;
  bool cut = false;  ///< nothing passes any more, though nobody knows
  Time to_server{};  ///< the last delivery, since messages keep their order
  Time to_agent{};
};

/// A shard's host: its agent and its bot.
struct Host {
  explicit Host(ShardName name_) : name(std::move(name_)) {}
  ShardName name;
  bool up = true;  ///< the agent runs
  bool joining = false;
  std::shared_ptr<Connection> connection;  ///< as the agent sees it
  BotLife life{agent::LifeOptions{}};
  bool hung = false;         ///< the bot lives and does nothing
  bool deaf = false;         ///< and its agent does not manage to restart it when told to
  bool lost = false;         ///< dead for good
  std::optional<Role> told;  ///< by the last update
  Time heard{};
  unsigned generation = 0;  ///< of the bot process
};

struct Row {
  explicit Row(fleet::ShardInfo info_) : info(std::move(info_)) {}
  fleet::ShardInfo info;
  std::shared_ptr<Connection> connection;  ///< as the server sees it
  bool told = true;
  Time reboot_asked{};
};

class World {
 public:
  World(std::uint64_t seed, bool trace) : random_(seed), trace_(trace) {
    now_ = from_unix_ms(1'000'000'000'000);
    end_of_faults_ = now_ + kFaults;
    const auto count = pick(2, 14);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto letter = static_cast<char>('a' + i);
      const auto name = *ShardName::parse(std::string{'s', 'a', letter});
      hosts_.emplace_back(name);
      fleet::ShardInfo info(name);
      info.created_time = now_;
      rows_.emplace(name, Row(info));
    }
    goal_ = static_cast<std::int32_t>(pick(1, count));
    if (pick(0, 3) == 0) {
      // An imported registry may hold anything, also one id twice.
      for (auto& [name, r] : rows_) {
        r.info.goal_shard_id.value = static_cast<std::int32_t>(pick(0, count)) - 1;
        r.info.goal_shard_count.value = static_cast<std::int32_t>(pick(1, count));
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
    const auto end = now_ + kFaults + kQuietTime;
    while (!events_.empty() && !report_.broken && events_.top().at <= end) {
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
  Instant instant() const { return Instant{now_.time_since_epoch()}; }

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
    r.connection = connection;
    r.info.last_seen = now_;
    r.told = false;
    say("%s joins", host.name.str().c_str());
    ping(i, connection);
    watch_master(i);
    replan();
  }

  void try_again(std::size_t i) {
    if (std::exchange(hosts_[i].joining, true)) return;
    after(between(500, 30'000), [this, i] { join(i); });
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
    for (auto& [name, r] : rows_) {
      r.connection.reset();
      r.told = true;
      r.reboot_asked = Time{};
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
    ++server_life_;
    after(pick(0, 3) == 0 ? between(240'000, 330'000) : between(100, 90'000), [this] { server_starts(); });
  }

  void replan() {
    if (!server_up_ || std::exchange(plan_due_, true)) return;
    after(Millis{5}, [this] {
      plan_due_ = false;
      if (server_up_) plan_now();
    });
  }

  fleet::Plan make_plan() {
    std::vector<fleet::Member> members;
    for (const auto& [name, r] : rows_)
      members.push_back({&r.info, r.connection != nullptr, r.reboot_asked, kMargin});
    auto settings = kSettings;
    settings.goal = ShardCount{goal_};
    settings.auto_generate = false;
    settings.now = now_;
    settings.since = since_;
    return fleet::plan(members, settings);
  }

  void plan_now() {
    const auto plan = make_plan();
    for (const auto& assignment : plan.assignments) {
      auto& r = rows_.at(assignment.shard);
      say("%s gets %d/%d, had %d/%d, runs %d/%d as far as is known", assignment.shard.str().c_str(),
          assignment.id.value, assignment.count.value, r.info.goal_shard_id.value,
          r.info.goal_shard_count.value, r.info.current_shard_id.value, r.info.current_shard_count.value);
      fleet::apply(assignment, r.info, now_);
      r.told = false;
    }
    for (const auto& name : plan.reboots) {
      rows_.at(name).reboot_asked = now_;
      const auto i = index(name);
      say("%s is told to reboot", name.str().c_str());
      to_agent(i, rows_.at(name).connection, [this, i] {
        if (!hosts_[i].deaf) obey(i, hosts_[i].life.respawn(instant()));
      });
    }
    // A plan that has just been made needs nothing more.
    const auto again = make_plan();
    if (!again.assignments.empty() || !again.reboots.empty())
      broken("the plan is not silent on its own result");
    after(kNoSave, [this, life = server_life_] {
      if (!server_up_ || life != server_life_) return;
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        auto& r = row(i);
        if (!r.told && r.connection) send_update(i);
      }
    });
    check_due_ = true;
  }

  std::size_t index(const ShardName& name) const {
    return static_cast<std::size_t>(
        std::find_if(hosts_.begin(), hosts_.end(), [&](const Host& host) { return host.name == name; }) -
        hosts_.begin());
  }

  void send_update(std::size_t i) {
    auto& r = row(i);
    r.told = true;
    const auto& info = r.info;
    const auto goal = info.goal_shard_id.bound()
                          ? std::optional(Role{info.goal_shard_id, info.goal_shard_count})
                          : std::nullopt;
    to_agent(i, r.connection, [this, i, goal] {
      hosts_[i].told = goal;
      obey(i, hosts_[i].life.set_goal(goal, instant()));
      send_status(i);
      watch_master(i);
    });
  }

  void heartbeats() {
    after(kInterval, [this] {
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (server_up_ && row(i).connection) send_update(i);
      }
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
    if (host.told) {
      status.goal_shard_id = host.told->id;
      status.goal_shard_count = host.told->count;
    }
    if (host.life.role()) {
      status.current_shard_id = host.life.role()->id;
      status.current_shard_count = host.life.role()->count;
    }
    const bool lively = !host.hung;
    to_server(i, host.connection, [this, i, status, lively] {
      auto& r = row(i);
      r.info.last_seen = now_;
      if (lively || !status.current_shard_id.bound()) r.info.last_heartbeat = now_;
      fleet::believe_status(status, r.info);
      replan();
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
        say("%s starts a bot as %d/%d", host.name.str().c_str(), host.life.role()->id.value,
            host.life.role()->count.value);
        check_due_ = true;
        send_status(i);
        break;
      case BotLife::Order::stop:
        after(between(10, kAgentGrace.count()),
              [this, i, generation = host.generation] { bot_ends(i, generation); });
        break;
    }
    if (const auto deadline = host.life.deadline()) {
      at(Time{std::chrono::duration_cast<Millis>(deadline->time_since_epoch())} + Millis{1}, [this, i] {
        if (hosts_[i].up) obey(i, hosts_[i].life.tick(instant()));
      });
    }
  }

  void bot_ends(std::size_t i, unsigned generation) {
    auto& host = hosts_[i];
    if (host.generation != generation || !host.life.role()) return;
    say("%s's bot is gone", host.name.str().c_str());
    obey(i, host.life.exited(instant(), random_()));
    send_status(i);
    // A killed agent's successor takes over once nothing of its bot is left.
    if (!host.up) host.life = BotLife(agent::LifeOptions{});
  }

  /// An agent that has not heard its master for so long stops its bot.
  void watch_master(std::size_t i) {
    const auto& host = hosts_[i];
    const auto patience =
        host.connection ? std::max(kSettings.assume_dead_after, kPingTimeout) : kSettings.assume_dead_after;
    at(std::max(host.heard + patience, now_ + Millis{1}), [this, i] {
      auto& h = hosts_[i];
      const auto least =
          h.connection ? std::max(kSettings.assume_dead_after, kPingTimeout) : kSettings.assume_dead_after;
      if (!h.up || now_ < h.heard + least || !h.life.goal()) return;
      say("%s has lost its master", h.name.str().c_str());
      h.told.reset();
      obey(i, h.life.set_goal(std::nullopt, instant()));
    });
  }

  // ---- what goes wrong ----

  void fault() {
    if (now_ > end_of_faults_) return settle();
    const auto i = static_cast<std::size_t>(pick(0, hosts_.size() - 1));
    auto& host = hosts_[i];
    switch (pick(0, 9)) {
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
      default:
        break;
    }
    after(between(1'000, 90'000), [this] { fault(); });
  }

  /// Often somebody thinks better of it at once.
  void change_goal() {
    goal_ = static_cast<std::int32_t>(pick(1, hosts_.size() + 1));
    say("the goal is %d", goal_);
    replan();
    if (pick(0, 1) > 0 && now_ < end_of_faults_) after(between(10, 10'000), [this] { change_goal(); });
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
    const auto patience = host.deaf ? kSettings.expect_reboot_after : kSettings.request_reboot_after;
    after(patience + kSlack, [this, i, connection, generation = host.generation, server = server_life_] {
      const auto& h = hosts_[i];
      const bool undisturbed = h.up && h.connection == connection && connection && !connection->cut &&
                               row(i).connection == connection && server == server_life_;
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
    host.up = false;
    break_connection(i, false);
    after(between(10, kAgentGrace.count()),
          [this, i, generation = host.generation] { bot_ends(i, generation); });
    host.lost = pick(0, 3) == 0;
    if (!host.lost && pick(0, 2) > 0) after(between(6'000, 600'000), [this, i] { start_host(i); });
  }

  void start_host(std::size_t i) {
    auto& host = hosts_[i];
    if (host.up || host.life.role()) return;
    say("%s is back", host.name.str().c_str());
    host.up = true;
    host.told.reset();
    host.connection.reset();
    host.life = BotLife(agent::LifeOptions{});
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

  /// No more faults: everybody comes back.
  void settle() {
    say("no more faults");
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
    std::map<std::pair<std::int32_t, std::int32_t>, const Host*> live;
    for (const auto& host : hosts_) {
      const auto& role = host.life.role();
      if (!role) continue;
      const auto [at, fresh] = live.emplace(std::pair(role->count.value, role->id.value), &host);
      if (!fresh) {
        broken("shard id " + std::to_string(role->id.value) + " of " + std::to_string(role->count.value) +
               " runs on " + at->second->name.str() + " and on " + host.name.str());
      }
    }
  }

  /// With everybody back, as many ids run as there can be, and nobody has anything to do any more.
  void check_settled() {
    check_invariants();
    const auto up = static_cast<std::size_t>(
        std::count_if(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.up; }));
    const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(goal_), up);
    std::size_t running = 0;
    for (const auto& host : hosts_) {
      const auto& role = host.life.role();
      if (!role) continue;
      if (role->count.value != goal_) broken(host.name.str() + " runs a shard that is not wanted");
      if (host.life.phase() == BotLife::Phase::running) ++running;
    }
    if (running != wanted) {
      broken(std::to_string(running) + " of " + std::to_string(wanted) +
             " ids run long after the last fault");
    }
    if (const auto plan = make_plan(); !plan.assignments.empty() || !plan.reboots.empty()) {
      broken("the plan is not silent long after the last fault");
    }
  }

  std::mt19937_64 random_;
  const bool trace_;
  Time now_{};
  Time end_of_faults_{};
  Time since_{};
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  std::vector<Host> hosts_;
  std::map<ShardName, Row> rows_;
  std::int32_t goal_ = 1;
  bool server_up_ = false;
  unsigned server_life_ = 0;
  bool plan_due_ = false;
  bool check_due_ = false;
  Report report_;
};

}  // namespace

Report run(std::uint64_t seed, bool trace) { return World(seed, trace).run(); }

}  // namespace smaster::sim
