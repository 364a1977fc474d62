#include "fleet/forecast.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace smaster::fleet {
namespace {

/// The simulation stops after this time: such a fleet does not settle.
constexpr Millis kLongest{7 * 86'400'000};

class Forecasting {
 public:
  Forecasting(std::vector<Seat> seats, const PlanSettings& settings, IdentifyQueue queue, Time now)
      : seats_(std::move(seats)),
        planner_(settings),
        drained_(settings.drained),
        queue_(std::move(queue)),
        begin_(now),
        now_(now) {
    for (auto& seat : seats_) {
      by_name_.emplace(seat.info.id, &seat);
      // Ignore current silence and starts: assume that all seats are healthy.
      seat.info.last_heartbeat = seat.info.last_seen = now + kLongest;
      if (seat.connected()) {
        finish_start(seat);
      } else if (settings.drained.contains(seat.info.host)) {
        seat.info.holder.left = true;  // it loses its ids, at the latest when it counts as dead
      }
      planner_.add(seat);
      if (seat.mute && seat.ready_process == kNever) silent_kinds_.insert(seat.kind);
    }
    for (const auto& seat : seats_) {
      if (seat.ready_process != kNever) silent_kinds_.erase(seat.kind);
    }
    // Without limits nothing waits for a login, as in Orders::follow_login.
    if (!queue_.limits()) silent_kinds_.clear();
    result_.unsure_takes = queue_.patience();
  }

  Forecast run() {
    for (;;) {
      for (auto plan = planner_.step(now_); !plan.changes.empty(); plan = planner_.step(now_)) take(plan);
      start_due();
      auto next = queue_.next(now_).value_or(Time::max());
      for (const auto& [name, at] : up_at_) next = std::min(next, at);
      if (next == Time::max() || next - begin_ > kLongest) break;
      now_ = std::max(next, now_);
      come_up();
    }
    result_.end = planner_.progress();
    for (const auto& host : drained_) result_.stay[host] = planner_.draining(host).held;
    for (const auto& seat : seats_) {
      if (seat.info.is_master || !seat.connected() || !drained_.contains(seat.info.host)) continue;
      result_.drained_room[seat.info.host] += static_cast<std::int64_t>(seat.info.capacity) -
                                              static_cast<std::int64_t>(seat.info.goal.ids.size());
    }
    return std::move(result_);
  }

 private:
  /// What has begun succeeds. Seats that wait for their turn to log in have theirs in the queue.
  static void finish_start(Seat& seat) {
    if (seat.stage == Stage::waiting) return;
    if (seat.stage != Stage::parked) seat.stage = Stage::told;
    seat.info.current = seat.info.goal;
    seat.info.may_run.clear();
    seat.ready = true;
  }

  void take(const Plan& plan) {
    for (const auto& change : plan.changes) {
      auto& seat = *by_name_.at(change.shard);
      if (seat.info.is_master || !seat.connected()) continue;
      if (change.assignment.bound()) {
        seat.stage = Stage::waiting;
        queue_.want(seat.info.id, change.assignment.ids);
      } else {
        queue_.forget(seat.info.id);
        arrive(seat);
      }
      planner_.changed(seat);
    }
  }

  void start_due() {
    for (const auto& [kind, name, ids, ask, waited] : queue_.due(now_)) {
      const auto found = by_name_.find(name);
      if (found == by_name_.end()) continue;
      auto& seat = *found->second;
      if (kind == IdentifyQueue::Turn::Kind::login) {
        queue_.identified(name, ids.front(), ask, now_, now_);
        continue;
      }
      seat.stage = Stage::told;
      seat.info.boot_time = now_;
      result_.logins += static_cast<std::int64_t>(seat.info.goal.ids.size());
      result_.moves.push_back({now_ - begin_, name, seat.info.host, seat.info.current, seat.info.goal});
      const bool unsure = silent_kinds_.contains(seat.kind);
      if (unsure) result_.unsure += static_cast<std::int64_t>(seat.info.goal.ids.size());
      up_at_[name] = now_ + (unsure ? queue_.patience() : kUsualStart);
      planner_.changed(seat);
    }
  }

  void come_up() {
    for (auto at = up_at_.begin(); at != up_at_.end();) {
      if (at->second > now_) {
        ++at;
        continue;
      }
      auto& seat = *by_name_.at(at->first);
      queue_.all_logged_in(at->first, now_);
      at = up_at_.erase(at);
      seat.info.current = seat.info.goal;
      seat.info.may_run.clear();
      seat.ready = true;
      result_.takes = now_ - begin_;
      planner_.changed(seat);
    }
  }

  void arrive(Seat& seat) {
    result_.moves.push_back({now_ - begin_, seat.info.id, seat.info.host, seat.info.current, seat.info.goal});
    up_at_.erase(seat.info.id);
    seat.info.current = {};
    seat.info.may_run.clear();
    result_.takes = std::max(result_.takes, now_ - begin_);
    planner_.changed(seat);
  }

  std::vector<Seat> seats_;
  Planner planner_;
  const std::set<std::string> drained_;
  IdentifyQueue queue_;
  const Time begin_;
  Time now_;
  std::map<ShardName, Seat*> by_name_;
  std::map<ShardName, Time> up_at_;
  std::set<std::string> silent_kinds_;  ///< of bots that have logged in and never said that they are READY
  Forecast result_;
};

}  // namespace

Forecast forecast(std::vector<Seat> seats, const PlanSettings& settings, IdentifyQueue queue, Time now) {
  return Forecasting(std::move(seats), settings, std::move(queue), now).run();
}

}  // namespace smaster::fleet
