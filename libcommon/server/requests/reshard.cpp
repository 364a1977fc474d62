#include "server/requests/reshard.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/array.hpp>
#include <utility>

#include "fleet/forecast.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "net/event.hpp"
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
                      const fleet::Forecast& forecast) {
  bj::array moves;
  for (const auto& move : forecast.moves) {
    moves.push_back(bj::object{{"at_ms", move.at.count()},
                               {"name", move.shard.str()},
                               {"host", move.host},
                               {"from", assignment_json(move.from)},
                               {"to", assignment_json(move.to)}});
  }
  return json::serialize(bj::object{{"plan",
                                     {{"from", from.goal.value},
                                      {"to", to.goal.value},
                                      {"strategy", fleet::to_string(to.strategy)},
                                      {"logins", forecast.logins},
                                      {"takes_ms", forecast.takes.count()},
                                      {"unsure", forecast.unsure},
                                      {"unsure_ms", forecast.unsure_takes.count()},
                                      {"up_in_the_end", forecast.end.up},
                                      {"moves", std::move(moves)}}}});
}

/// Forecasts the plan: copies the seats in slices, computes in a pool.
net::Task<std::string> foretell(const ReshardParts& parts, fleet::PlanSettings from, fleet::PlanSettings to) {
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
    return plan_line(from, to, fleet::forecast(std::move(seats), to, std::move(queue), now));
  });
}

/// True if all that is left is what Discord refuses.
bool is_stuck(const ReshardParts& parts) {
  const auto progress = parts.plans.progress();
  return progress.refused > 0 && progress.up + progress.refused >= parts.directory.goal().value;
}

bool is_done(const ReshardParts& parts) {
  const auto progress = parts.plans.progress();
  return progress.old == 0 && progress.up == parts.directory.goal().value && !parts.plans.rebalancing();
}

bj::object progress_json(const ReshardParts& parts) {
  auto object = to_json(parts.plans.progress());
  object["goal"] = parts.directory.goal().value;
  object["waiting"] = parts.sender.identify().waiting();
  return object;
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
net::Task<> follow(const ReshardParts& parts, Target target, Instant until, Lines lines,
                   std::shared_ptr<Wake> wake) {
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
    auto line = json::serialize(bj::object{{"progress", progress_json(parts)}});
    // Only the present progress matters: a slow reader misses lines.
    if (line != said && lines->offer(line)) said = std::move(line);
    const bool replaced = parts.goal.target() != target;
    const bool done = !replaced && is_done(parts);
    const bool stuck = !replaced && !done && is_stuck(parts);
    over = done || replaced || stuck || net::now() >= until;
    if (over) {
      lines->push(
          json::serialize(bj::object{{"end", {{"done", done}, {"replaced", replaced}, {"refused", stuck}}}}));
    }
  }
}

net::Task<> carry_out(const ReshardParts& parts, Reshard request, Target target, Lines lines,
                      std::shared_ptr<Wake> wake) {
  if (request.count) {
    const auto saved = co_await parts.goal.retarget(target);
    if (!saved) {
      lines->push(control::error_reply(saved.error()).body);
      lines->finish();
      co_return;
    }
  } else {
    parts.goal.rebalance();
  }
  if (request.wait)
    co_await follow(parts, std::move(target), net::now() + request.timeout, lines, std::move(wake));
  lines->finish();
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
  } else {
    wanted.rebalance = true;
  }
  auto lines = std::make_shared<control::LineStream>(parts.context.get_executor());
  lines->push(co_await foretell(parts, present, wanted));
  if (request.dry_run) {
    lines->finish();
    co_return lines;
  }
  fleet::Event event{fleet::EventKind::reshard,
                     request.count ? "the goal goes from " + std::to_string(present.goal.value) + " to " +
                                         std::to_string(request.count->value) + " shards, " +
                                         std::string(fleet::to_string(target.strategy))
                                   : "the hosts are evened out"};
  event.by = request.by;
  parts.events.record(std::move(event));
  const auto wake = std::make_shared<Wake>(parts.context);
  lines->on_gone = [wake] { wake->abandon(); };
  parts.tasks.spawn("reshard", carry_out(parts, request, target, lines, wake), [lines] { lines->finish(); });
  co_return lines;
}

}  // namespace smaster::server
