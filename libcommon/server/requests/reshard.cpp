#include "server/requests/reshard.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/array.hpp>
#include <utility>

#include "fleet/forecast.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "net/event.hpp"
#include "server/requests/hosts.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using Lines = std::shared_ptr<control::LineStream>;

/// Minimum time between two lines of progress.
constexpr Millis kProgressPause{200};

bj::object assignment_json(const fleet::Assignment& assignment) {
  return {{"shards", fleet::ids_json(assignment)}, {"count", assignment.count.value}};
}

std::string plan_line(const fleet::PlanSettings& from, const fleet::PlanSettings& to,
                      const std::optional<std::string>& drain, const fleet::Forecast& forecast) {
  bj::array moves;
  for (const auto& move : forecast.moves) {
    moves.push_back(bj::object{{"at_ms", move.at.count()},
                               {"name", move.shard.str()},
                               {"host", move.host},
                               {"from", assignment_json(move.from)},
                               {"to", assignment_json(move.to)}});
  }
  bj::object plan{{"from", from.goal.value},
                  {"to", to.goal.value},
                  {"strategy", fleet::to_string(to.strategy)},
                  {"logins", forecast.logins},
                  {"takes_ms", forecast.takes.count()},
                  {"unsure", forecast.unsure},
                  {"unsure_ms", forecast.unsure_takes.count()},
                  {"up_in_the_end", forecast.end.up},
                  {"moves", std::move(moves)}};
  if (drain) {
    plan["host"] = *drain;
    plan["stay"] = forecast.stay.at(*drain);
  }
  bj::object drained;
  for (const auto& [host, room] : forecast.drained_room) {
    if (room > 0 && host != drain) drained[host] = room;
  }
  if (!drained.empty()) plan["drained_room"] = std::move(drained);
  return json::serialize(bj::object{{"plan", std::move(plan)}});
}

/// Forecasts the plan: copies the seats in slices, computes in a pool.
net::Task<std::string> foretell(const ReshardParts& parts, fleet::PlanSettings from, fleet::PlanSettings to,
                                std::optional<std::string> drain) {
  std::vector<fleet::Seat> seats;
  std::vector<fleet::IdentifyQueue::Wish> wishes;
  seats.reserve(parts.directory.shards().size());
  {
    Slice slice(parts.slices, kForOperators);
    co_await slice.next();
    co_await in_slices(parts.directory.shards(), slice, [&](const auto& entry) {
      seats.push_back(entry.second);
      for (auto& wish : parts.sender.identify().wishes_of(entry.first)) wishes.push_back(std::move(wish));
    });
  }
  auto queue = parts.sender.identify().without_waiting();
  const auto now = net::fleet_clock();
  co_return co_await net::run_in(parts.rendering, [&] {
    for (const auto& wish : std::exchange(wishes, {})) queue.want(wish, now);
    return plan_line(from, to, drain, fleet::forecast(std::move(seats), to, std::move(queue), now));
  });
}

/// How far a request is carried out.
struct Standing {
  bool done = false;
  bool stuck = false;  ///< all that is left is what Discord refuses, or what other hosts have no room for
};

Standing standing(const ReshardParts& parts, const Reshard& request) {
  const auto progress = parts.plans.progress();
  if (request.drain) {
    const auto draining = parts.plans.draining(*request.drain);
    return {draining.over && draining.held == 0, draining.over && draining.held > 0};
  }
  const auto goal = parts.directory.goal().value;
  const bool done = progress.old == 0 && progress.up == goal && !parts.plans.rebalancing();
  return {done, !done && progress.refused > 0 && progress.up + progress.refused >= goal};
}

/// True if another request has replaced this one.
bool is_replaced(const ReshardParts& parts, const Reshard& request, const Target& target) {
  return request.drain ? !parts.goal.drained().contains(*request.drain) : parts.goal.target() != target;
}

bj::object progress_json(const ReshardParts& parts, const Reshard& request) {
  auto object = to_json(parts.plans.progress());
  object["goal"] = parts.directory.goal().value;
  object["waiting"] = parts.sender.identify().waiting();
  if (request.drain) object["held"] = parts.plans.draining(*request.drain).held;
  return object;
}

bj::object end_json(const Standing& at, const Reshard& request, bool replaced) {
  bj::object end{{"done", at.done}, {"replaced", replaced}};
  end[request.drain ? "stay" : "refused"] = at.stuck;
  return end;
}

/// What wakes a task that reports progress; shared with those who may outlive it.
struct Wake {
  explicit Wake(net::asio::io_context& context) : event(context.get_executor()) {}
  net::Event event;
  bool changed = false;
  bool abandoned = false;  ///< nobody reads the lines any more

  void change() {
    changed = true;
    event.notify();
  }
  void abandon() {
    abandoned = true;
    event.notify();
  }
};

/// Writes a line when the progress has changed, and one at the end.
net::Task<> follow(const ReshardParts& parts, Reshard request, Target target, Lines lines,
                   std::shared_ptr<Wake> wake) {
  const auto until = net::now() + request.timeout;
  const auto news = parts.news.subscribe([wake](const ShardName*) { wake->change(); });
  net::Timer pause(parts.context);
  std::string said;
  for (bool over = false; !over && !wake->abandoned;) {
    pause.expires_after(kProgressPause);
    co_await pause.async_wait(net::use_task);
    if (!std::exchange(wake->changed, false) && !wake->abandoned && net::now() < until) {
      co_await wake->event.wait_until(until);
      wake->changed = false;
    }
    auto line = json::serialize(bj::object{{"progress", progress_json(parts, request)}});
    // Only the present progress matters: a slow reader misses lines.
    if (line != said && lines->offer(line)) said = std::move(line);
    const bool replaced = is_replaced(parts, request, target);
    const auto at = replaced ? Standing{} : standing(parts, request);
    over = at.done || replaced || at.stuck || net::now() >= until;
    if (over) lines->push(json::serialize(bj::object{{"end", end_json(at, request, replaced)}}));
  }
}

net::Task<> carry_out(const ReshardParts& parts, Reshard request, Target target, Lines lines,
                      std::shared_ptr<Wake> wake) {
  Result<void> saved;
  if (request.count) {
    saved = co_await parts.goal.retarget(target);
  } else if (request.drain) {
    saved = co_await parts.goal.drain(*request.drain, true);
  } else {
    parts.goal.rebalance();
  }
  if (!saved) {
    parts.events.record({.kind = fleet::EventKind::reshard,
                         .text = "the change is not carried out: " + saved.error().message,
                         .by = request.by});
    lines->push(control::error_reply(saved.error()).body);
    lines->finish();
    co_return;
  }
  if (request.wait) co_await follow(parts, std::move(request), std::move(target), lines, std::move(wake));
  lines->finish();
}

std::string words(const Reshard& request, ShardCount present, const Target& target) {
  if (request.drain) return "drain host " + *request.drain;
  if (!request.count) return "even out the hosts";
  return "from " + std::to_string(present.value) + " to " + std::to_string(request.count->value) +
         " shards, " + std::string(fleet::to_string(target.strategy));
}

}  // namespace

net::Task<Result<Lines>> reshard(const ReshardParts& parts, Reshard request) {
  const auto present = parts.plans.plan_settings();
  auto wanted = present;
  auto target = parts.goal.target();
  if (request.count) {
    target = parts.goal.ask_for(*request.count, request.strategy);
    wanted.goal = target.count;
    wanted.strategy = target.strategy;
    const auto spares = parts.plans.progress().spares;
    if (wanted.strategy == fleet::Strategy::blue_green && *request.count != present.goal &&
        spares < request.count->value) {
      co_return fail(ErrorKind::usage,
                     "blue/green needs room for " + std::to_string(request.count->value) +
                         " more shard ids in connected shards that have none, there is room for " +
                         std::to_string(spares) + "; start more agents, or use --strategy rolling");
    }
  } else if (request.drain) {
    const auto known = co_await check_host(parts.directory, parts.slices, *request.drain);
    if (!known) co_return known.error();
    wanted.drained.insert(*request.drain);
  } else {
    wanted.rebalance = true;
  }
  auto lines = std::make_shared<control::LineStream>(parts.context.get_executor());
  lines->push(co_await foretell(parts, present, wanted, request.drain));
  if (request.dry_run) {
    lines->finish();
    co_return lines;
  }
  parts.events.record(
      {.kind = fleet::EventKind::reshard, .text = words(request, present.goal, target), .by = request.by});
  const auto wake = std::make_shared<Wake>(parts.context);
  lines->on_gone = [wake] { wake->abandon(); };
  parts.tasks.spawn("reshard", carry_out(parts, request, target, lines, wake), [lines] { lines->finish(); });
  co_return lines;
}

}  // namespace smaster::server
