#include "fleet/planner.hpp"

#include <algorithm>
#include <utility>

#include "fleet/plan_index.hpp"

namespace smaster::fleet {
namespace {

constexpr std::int32_t kMasterId = 1000;  ///< as in the original master

/// One run of all rules over the index.
class Step {
 public:
  Step(PlanIndex& index, std::size_t most) : index_(index), settings_(index.settings()), most_(most) {}

  Plan run(Time now) {
    plan_.more = !index_.look(now, most_) || !carry_out(now);
    return std::move(plan_);
  }

 private:
  /// Applies the rules in order; each depends on the results of those before. False if the limit was reached.
  bool carry_out(Time now) {
    while (!full() && !index_.due.empty()) {
      auto& entry = **index_.due.begin();
      assign(entry, index_.rightful(entry));
    }
    use_spares();
    fill();
    // An agent that has stopped cleanly may be back soon: only a spare gets its ids, no bot restarts for
    // that.
    while (!full() && replace_one_of(index_.left, index_.idle_capacity, index_.open.size())) fill();
    // First those whose ids can be reassigned now: a place is not to wait for a vacant id that another bot
    // may still be running.
    while (!full() && replace_one_of(index_.gone, index_.places(), index_.open.size())) fill();
    while (!full() && replace_one_of(index_.dead, index_.places(), index_.vacant)) fill();
    if (!full()) stop_the_old_generation();
    while (!full() && drain_one()) {
    }
    if (!full() && settings_.rebalance) move_one();
    tell_the_silent(now);
    if (full()) return false;
    plan_.generate = missing_config();
    return true;
  }

  [[nodiscard]] bool full() const { return plan_.changes.size() + plan_.reboots.size() >= most_; }

  void assign(Entry& entry, Assignment assignment) {
    plan_.changes.push_back({entry.seat->info.id, assignment});
    index_.give(entry, std::move(assignment));
  }

  void assign(Entry& entry, std::vector<ShardId> ids) {
    std::sort(ids.begin(), ids.end());
    assign(entry, ids.empty() ? Assignment{} : Assignment(std::move(ids), settings_.goal));
  }

  [[nodiscard]] bool may_go_down(const Entry& entry) const {
    return settings_.strategy == Strategy::at_once || !entry.connected || index_.moving < settings_.max_down;
  }

  /// Assigns what can be assigned. An id that a dead seat has lost may be one that an old seat is to keep.
  void fill() {
    convert();
    place();
  }

  /// Converts old seats to the new count with their own ids. A seat with room takes open ids, too, if no idle
  /// seat could.
  void convert() {
    while (!full() && !index_.convertible.empty()) {
      auto& entry = **index_.convertible.begin();
      if (!may_go_down(entry)) break;
      auto ids = index_.obtainable(entry);
      if (index_.idle_capacity == 0 && entry.usable()) {
        for (const auto id : index_.open.lowest(entry.capacity - ids.size())) ids.push_back(id);
      }
      assign(entry, std::move(ids));
    }
  }

  /// Assigns open ids to idle seats, on the host with the lowest load: no bot restarts for that.
  void use_spares() {
    while (!full() && !index_.open.empty()) {
      auto* const idle = index_.next_idle();
      if (idle == nullptr) break;
      assign(*idle, index_.open.lowest(idle->capacity));
    }
  }

  /// Assigns open ids: to idle seats, then to surplus seats of the old generation, then to bot processes with
  /// room, which restarts them.
  void place() {
    use_spares();
    while (!full() && !index_.open.empty()) {
      if (settings_.strategy != Strategy::blue_green && !index_.surplus.empty()) {
        auto& entry = **index_.surplus.begin();
        if (entry.usable()) {
          if (!may_go_down(entry)) break;
          assign(entry, index_.open.lowest(entry.capacity));
          continue;
        }
      }
      if (index_.roomy.empty()) break;
      auto& entry = **index_.roomy.begin();
      auto ids = entry.part.claims;
      for (const auto id : index_.open.lowest(entry.standing.room)) ids.push_back(id);
      assign(entry, std::move(ids));
    }
  }

  /// Takes ids from a dead seat, as many as there is room for in other seats beyond `reserved` ones. They are
  /// reassigned as soon as the dead seat's bot cannot be running them any more: now or in a later step.
  bool replace_one_of(const EntriesById& dead, std::size_t room, std::size_t reserved) {
    if (dead.empty() || room <= reserved) return false;
    auto& entry = **dead.begin();
    auto ids = entry.part.claims;
    std::sort(ids.begin(), ids.end());
    ids.resize(ids.size() - std::min<std::size_t>(ids.size(), room - reserved));
    assign(entry, std::move(ids));
    return true;
  }

  /// Stops surplus seats of the old generation, as soon as the strategy allows it.
  void stop_the_old_generation() {
    if (!old_may_go()) return;
    while (!full() && !index_.surplus.empty()) assign(**index_.surplus.begin(), Assignment{});
  }

  [[nodiscard]] bool old_may_go() const {
    switch (settings_.strategy) {
      case Strategy::at_once:
        return true;
      case Strategy::rolling:
        return index_.convertible.empty() && index_.moving == 0;
      case Strategy::blue_green:
        return index_.ids_up == index_.size();
    }
    return true;
  }

  /// Takes the ids of a seat on a drained host, if other hosts have room for all of them. They are reassigned
  /// when its bot has stopped.
  bool drain_one() {
    auto* const entry =
        index_.moving + index_.leaving < settings_.max_down ? index_.next_to_drain() : nullptr;
    if (entry != nullptr) assign(*entry, Assignment{});
    return entry != nullptr;
  }

  /// Rebalances when the fleet is quiet: the smallest seat whose move would even out the load loses its ids.
  /// They then go to the host with the lowest load.
  void move_one() {
    if (!index_.quiet()) return;
    if (auto* const entry = index_.next_move()) assign(*entry, Assignment{});
  }

  void tell_the_silent(Time now) {
    while (!full() && !index_.reboots.empty()) {
      auto& seat = *(*index_.reboots.begin())->seat;
      seat.reboot_asked = now;
      plan_.reboots.push_back(seat.info.id);
      index_.changed(seat);
      (void)index_.look(now, kAll);
    }
  }

  [[nodiscard]] bool missing_config() const {
    return settings_.auto_generate && index_.all_capacity < index_.size();
  }

  PlanIndex& index_;
  const PlanSettings& settings_;
  const std::size_t most_;
  Plan plan_;
};

}  // namespace

ShardId master_id(ShardCount goal) { return ShardId{std::max(kMasterId, goal.value)}; }

std::string_view to_string(Strategy strategy) {
  switch (strategy) {
    case Strategy::at_once:
      return "at-once";
    case Strategy::rolling:
      return "rolling";
    case Strategy::blue_green:
      return "blue-green";
  }
  return "";
}

std::optional<Strategy> parse_strategy(std::string_view text) {
  for (const auto strategy : {Strategy::at_once, Strategy::rolling, Strategy::blue_green}) {
    if (text == to_string(strategy)) return strategy;
  }
  return std::nullopt;
}

Planner::Planner(const PlanSettings& settings) : index_(std::make_unique<PlanIndex>(settings)) {}
Planner::~Planner() = default;

void Planner::set(const PlanSettings& settings) {
  if (settings != index_->settings()) index_->set(settings);
}
void Planner::add(Seat& seat) { index_->add(seat); }
void Planner::remove(Seat& seat) { index_->remove(seat); }
void Planner::changed(Seat& seat) { index_->changed(seat); }

Plan Planner::step(Time now, std::size_t most) {
  if (!index_->settings().goal.known()) return {};
  return Step(*index_, most).run(now);
}

Progress Planner::progress() const {
  const auto& index = *index_;
  Progress progress;
  progress.up = static_cast<std::int64_t>(index.ids_up);
  progress.placed = static_cast<std::int64_t>(index.placed());
  progress.moving = static_cast<std::int64_t>(index.moving);
  progress.old = static_cast<std::int64_t>(index.old + index.unlisted());
  progress.spares = static_cast<std::int64_t>(index.idle_capacity);
  progress.refused = static_cast<std::int64_t>(index.ids_refused);
  return progress;
}

bool Planner::is_even() const { return index_->quiet() && index_->next_move() == nullptr; }

Draining Planner::draining(const std::string& host) const {
  const auto& index = *index_;
  const auto found = index.held.find(host);
  const auto held = found == index.held.end() ? Held{} : found->second;
  const bool still = index.steady() && index.moving + index.leaving == 0 && index.next_to_drain() == nullptr;
  // Shards that are away lose their ids when they count as dead.
  return {held.ids, still && (held.ids == 0 || held.connected > 0)};
}

void apply(const Assignment& assignment, ShardInfo& info, Time now) {
  const auto& old = info.goal;
  const bool known = std::find(info.may_run.begin(), info.may_run.end(), old) != info.may_run.end();
  if (old.bound() && !info.is_master && !known && !info.holder.left) info.may_run.push_back(old);
  info.goal = assignment;
  (assignment.bound() ? info.boot_time : info.stop_time) = now;
}

void believe_status(const ShardStatus& status, ShardInfo& info) {
  const bool agrees = status.goal == info.goal;
  if (agrees) info.may_run.clear();
  if (!agrees && !status.current.bound()) return;
  info.current = status.current;
}

void believe_first_status(const ShardStatus& status, ShardInfo& info) {
  info.current = status.current;
  info.may_run.clear();
  if (status.goal.bound()) info.may_run.push_back(status.goal);
}

}  // namespace smaster::fleet
