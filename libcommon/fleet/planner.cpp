#include "fleet/planner.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace smaster::fleet {
namespace {

constexpr std::int32_t kMasterId = 1000;  ///< the original master's choice

/// The members with the answers to what the rules ask of them.
class View {
 public:
  View(const Member& member, const PlanSettings& settings) : member_(&member), settings_(&settings) {}

  [[nodiscard]] const ShardInfo& info() const { return *member_->info; }
  [[nodiscard]] bool connected() const { return member_->connected; }

  /// How long its bot has given no sign of life, since it was given its id at the earliest.
  [[nodiscard]] Millis silent() const {
    return settings_->now - std::max({info().last_heartbeat, info().boot_time, settings_->since});
  }
  /// Nothing was heard for so long that it must have stopped its bot by itself.
  [[nodiscard]] bool gone() const {
    return !info().registered() || settings_->now - std::max(info().last_seen, settings_->since) >=
                                       settings_->assume_dead_after + member_->margin;
  }
  [[nodiscard]] bool dead() const { return silent() >= settings_->assume_dead_after; }
  /// It was told to reboot, and has not done so: it is stopped instead.
  [[nodiscard]] bool stuck() const {
    return connected() && info().runs_goal() && silent() >= settings_->expect_reboot_after;
  }
  [[nodiscard]] bool wants_reboot() const {
    return connected() && info().runs_goal() && silent() >= settings_->request_reboot_after && !stuck() &&
           member_->reboot_asked <= std::max(info().last_heartbeat, info().boot_time);
  }
  /// Whether its goal is one of the present generation.
  [[nodiscard]] bool has_place() const {
    return info().goal_shard_id.bound() && info().goal_shard_count == settings_->goal &&
           info().goal_shard_id.value < settings_->goal.value;
  }
  /// Whether it may run an id that was taken from it.
  [[nodiscard]] bool must_stop_first() const {
    return !info().goal_shard_id.bound() && (info().current_shard_id.bound() || !info().may_run.empty()) &&
           !gone();
  }

 private:
  const Member* member_;
  const PlanSettings* settings_;
};

/// Who may run which id of the present generation.
class Ids {
 public:
  explicit Ids(ShardCount goal) : slots_(static_cast<std::size_t>(goal.value)) {}

  [[nodiscard]] bool inside(ShardId id) const {
    return id.bound() && static_cast<std::size_t>(id.value) < slots_.size();
  }
  /// Its place for good; false when another has it.
  bool claim(ShardId id, const ShardInfo& by) {
    auto& slot = slots_[static_cast<std::size_t>(id.value)];
    if (slot.owner != nullptr) return false;
    slot.owner = &by;
    return true;
  }
  /// `by` may have a live bot with this id.
  void mark_live(ShardId id, const ShardInfo& by) {
    auto& slot = slots_[static_cast<std::size_t>(id.value)];
    slot.live = slot.live == nullptr || slot.live == &by ? &by : &several_;
  }
  /// The lowest id without an owner that nobody but `by` can be running, now claimed.
  std::optional<ShardId> take(const ShardInfo& by) {
    while (lowest_ < slots_.size() && slots_[lowest_].owner != nullptr) ++lowest_;
    for (auto at = lowest_; at < slots_.size(); ++at) {
      const ShardId id{static_cast<std::int32_t>(at)};
      if (free_for(id, by) && claim(id, by)) return id;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool free_for(ShardId id, const ShardInfo& by) const {
    const auto& slot = slots_[static_cast<std::size_t>(id.value)];
    return slot.owner == nullptr && (slot.live == nullptr || slot.live == &by);
  }
  [[nodiscard]] const ShardInfo* live_with(ShardId id) const {
    return slots_[static_cast<std::size_t>(id.value)].live;
  }
  [[nodiscard]] std::size_t without_owner() const {
    return static_cast<std::size_t>(
        std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.owner == nullptr; }));
  }

 private:
  struct Slot {
    const ShardInfo* owner = nullptr;
    const ShardInfo* live = nullptr;  ///< `several_`: more than one
  };
  std::vector<Slot> slots_;
  std::size_t lowest_ = 0;
  ShardInfo several_{*ShardName::parse("several")};
};

/// One run of the rules.
class Planning {
 public:
  Planning(const std::vector<Member>& members, const PlanSettings& settings)
      : settings_(settings), ids_(settings.goal) {
    for (const auto& member : members) {
      if (member.info->is_master) {
        masters_.emplace_back(member, settings);
      } else {
        shards_.emplace_back(member, settings);
      }
    }
  }

  Plan run() {
    plan_.generate = missing_config();
    for (const auto& master : masters_) {
      if (master.info().registered()) assign(master, master_id(settings_.goal));
    }
    mark_live();
    keep_places();
    give_old_generation_the_same_ids();
    give_free_ids();
    replace_the_dead();
    for (const auto* shard : without_) assign(*shard, kNoShard);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] Generate missing_config() const {
    if (!settings_.auto_generate) return Generate::nothing;
    if (static_cast<std::int64_t>(shards_.size()) < settings_.goal.value) return Generate::shard;
    return masters_.empty() ? Generate::master : Generate::nothing;
  }

  void assign(const View& shard, ShardId id) {
    const auto& info = shard.info();
    const auto count = id.bound() ? settings_.goal : kNoCount;
    if (info.goal_shard_id != id || info.goal_shard_count != count)
      plan_.assignments.push_back({info.id, id, count});
  }

  void mark_live() {
    for (const auto& shard : shards_) {
      const auto& info = shard.info();
      if (shard.gone()) continue;
      mark_live({info.current_shard_id, info.current_shard_count}, info);
      mark_live({info.goal_shard_id, info.goal_shard_count}, info);
      for (const auto& role : info.may_run) mark_live(role, info);
    }
  }

  void mark_live(const Role& role, const ShardInfo& by) {
    if (role.count == settings_.goal && ids_.inside(role.id)) ids_.mark_live(role.id, by);
  }

  /// Whoever has an id of this generation keeps it, connected or not: a shard that vanishes and returns runs
  /// the same id. Of two with one id the older one keeps it. One that does not react to a reboot is stopped.
  void keep_places() {
    std::vector<const View*> placed;
    for (const auto& shard : shards_) {
      if (shard.has_place()) placed.push_back(&shard);
    }
    std::stable_sort(placed.begin(), placed.end(),
                     [](const View* a, const View* b) { return a->info().boot_time < b->info().boot_time; });
    for (const auto* shard : placed) {
      if (!ids_.claim(shard->info().goal_shard_id, shard->info())) {
        without_.push_back(shard);
      } else if (shard->stuck()) {
        assign(*shard, kNoShard);
      } else {
        if (shard->dead()) dead_.push_back(shard);
        if (shard->wants_reboot()) plan_.reboots.push_back(shard->info().id);
      }
    }
  }

  /// An old generation never takes an id from the new one.
  void give_old_generation_the_same_ids() {
    for (const auto& shard : shards_) {
      if (shard.has_place()) continue;
      const auto& info = shard.info();
      const bool old = info.goal_shard_id.bound() && ids_.inside(info.goal_shard_id);
      if (old && ids_.free_for(info.goal_shard_id, info) && ids_.claim(info.goal_shard_id, info)) {
        assign(shard, info.goal_shard_id);
      } else {
        without_.push_back(&shard);
      }
    }
  }

  /// Who waits longest since it had an id comes first: one that was just stopped for its silence comes last.
  void give_free_ids() {
    std::sort(without_.begin(), without_.end(), [](const View* a, const View* b) {
      return std::tie(a->info().stop_time, a->info().id) < std::tie(b->info().stop_time, b->info().id);
    });
    std::vector<const View*> left;
    for (const auto* shard : without_) {
      const bool ready = shard->connected() && !shard->must_stop_first();
      if (const auto id = ready ? ids_.take(shard->info()) : std::nullopt) {
        assign(*shard, *id);
      } else {
        (ready ? spares_ : left).push_back(shard);
      }
    }
    without_ = std::move(left);
  }

  /// The dead lose their ids as far as there are spares that no other free id waits for. A spare gets the id
  /// as soon as nobody can be running it: at once, or by a later plan.
  void replace_the_dead() {
    auto spare =
        spares_.begin() + static_cast<std::ptrdiff_t>(std::min(ids_.without_owner(), spares_.size()));
    for (const auto* shard : dead_) {
      if (spare == spares_.end()) break;
      const auto id = shard->info().goal_shard_id;
      assign(*shard, kNoShard);
      if (shard->gone() && ids_.live_with(id) == nullptr) {
        assign(**spare, id);
        spare = spares_.erase(spare);
      } else {
        ++spare;
      }
    }
    without_.insert(without_.end(), spares_.begin(), spares_.end());
  }

  const PlanSettings& settings_;
  std::vector<View> masters_;
  std::vector<View> shards_;
  Ids ids_;
  std::vector<const View*> without_;  ///< have no place
  std::vector<const View*> dead_;     ///< have one, and give no sign of life
  std::vector<const View*> spares_;   ///< could take an id and found none
  Plan plan_;
};

}  // namespace

ShardId master_id(ShardCount goal) { return ShardId{std::max(kMasterId, goal.value)}; }

Plan plan(const std::vector<Member>& members, const PlanSettings& settings) {
  if (!settings.goal.known()) return {};
  return Planning(members, settings).run();
}

void apply(const Assign& assignment, ShardInfo& info, Time now) {
  const Role old{info.goal_shard_id, info.goal_shard_count};
  const bool known = std::find(info.may_run.begin(), info.may_run.end(), old) != info.may_run.end();
  if (old.id.bound() && !info.is_master && !known) info.may_run.push_back(old);
  info.goal_shard_id = assignment.id;
  info.goal_shard_count = assignment.count;
  (assignment.id.bound() ? info.boot_time : info.stop_time) = now;
}

void believe_status(const ShardStatus& status, ShardInfo& info) {
  const bool agrees =
      status.goal_shard_id == info.goal_shard_id && status.goal_shard_count == info.goal_shard_count;
  if (agrees) info.may_run.clear();
  if (!agrees && !status.current_shard_id.bound()) return;
  info.current_shard_id = status.current_shard_id;
  info.current_shard_count = status.current_shard_count;
}

}  // namespace smaster::fleet
