#include "fleet/plan_index.hpp"

#include <algorithm>
#include <utility>

namespace smaster::fleet {

void PlanIndex::set(const PlanSettings& settings) {
  settings_ = settings;
  discarded_ = std::exchange(static_cast<Lists&>(*this), {});
  ++settings_no_;
  unmarked_ = all_.size();
  slots_.resize(static_cast<std::size_t>(std::max(settings.goal.value, 0)));
  for (auto& slot : slots_) slot.clear();
  vacant = slots_.size();
  placed_ = 0;
  open.fill(slots_.size());
}

void PlanIndex::add(Seat& seat) {
  const auto [at, fresh] = entries_.emplace(&seat, std::make_unique<Entry>(seat));
  if (fresh) {
    at->second->place = all_.size();
    all_.push_back(at->second.get());
  }
  mark(*at->second);
}

void PlanIndex::swap(std::size_t a, std::size_t b) {
  std::swap(all_[a], all_[b]);
  all_[a]->place = a;
  all_[b]->place = b;
}

/// Resets an entry that was last judged with older settings: it is in no list, and its part is empty.
void PlanIndex::start_anew(Entry& entry) const {
  if (std::exchange(entry.settings, settings_no_) == settings_no_) return;
  entry.leave_lists();
  entry.part.clear();
}

void PlanIndex::changed(Seat& seat) {
  if (const auto found = entries_.find(&seat); found != entries_.end()) mark(*found->second);
}

void PlanIndex::remove(Seat& seat) {
  const auto found = entries_.find(&seat);
  if (found == entries_.end()) return;
  auto& entry = *found->second;
  start_anew(entry);
  forget(entry);
  change_slots(entry.part, [&](std::vector<Entry*>& list) { std::erase(list, &entry); });
  std::erase(dirty_, &entry);
  std::erase(unjudged_, &entry);
  if (entry.place < unmarked_) swap(entry.place, --unmarked_);
  swap(entry.place, all_.size() - 1);
  all_.pop_back();
  entries_.erase(found);
}

void PlanIndex::mark(Entry& entry) {
  if (!std::exchange(entry.dirty, true)) dirty_.push_back(&entry);
}

void PlanIndex::judge_later(Entry& entry) {
  if (!std::exchange(entry.unjudged, true)) unjudged_.push_back(&entry);
}

bool PlanIndex::look(Time now, std::size_t most) {
  const auto due_ones = [&] { return !deadlines.empty() && (*deadlines.begin())->deadline <= now; };
  if (!looking_) now_ = now;
  for (auto left = most; now_ == now && left > 0 && due_ones(); --left) {
    auto& entry = **deadlines.begin();
    deadlines.erase(deadlines.begin());
    entry.deadline = Time::max();
    mark(entry);
  }
  looking_ = !settle(most);
  return !looking_ && now_ == now && !due_ones();
}

void PlanIndex::give(Entry& entry, Assignment assignment) {
  apply(assignment, entry.seat->info, now_);
  mark(entry);
  settle(kAll);
}

/// Frees at most `most` nodes of each list of the previous settings.
void PlanIndex::discard(std::size_t most) {
  const auto free_some = [most](auto& set) {
    auto end = set.begin();
    for (auto left = most; left > 0 && end != set.end(); --left) ++end;
    set.erase(set.begin(), end);
  };
  auto& old = discarded_;
  free_some(old.due);
  free_some(old.reboots);
  free_some(old.dead);
  free_some(old.gone);
  free_some(old.left);
  free_some(old.drainable);
  free_some(old.convertible);
  free_some(old.surplus);
  free_some(old.roomy);
  free_some(old.deadlines);
  if (old.hosts.empty()) return;
  auto& host = old.hosts.begin()->second;
  free_some(host.idle);
  free_some(host.placed);
  if (host.idle.empty() && host.placed.empty()) old.hosts.erase(old.hosts.begin());
}

/// First updates the changed seats' parts, then judges all affected seats.
bool PlanIndex::settle(std::size_t most) {
  discard(most);
  for (auto left = most; unmarked_ > 0 && left > 0; --left) mark(*all_[--unmarked_]);
  for (; unmarked_ == 0 && !dirty_.empty() && most > 0; --most) {
    auto& entry = *dirty_.back();
    dirty_.pop_back();
    entry.dirty = false;
    take_part(entry);
  }
  for (; dirty_.empty() && !unjudged_.empty() && most > 0; --most) {
    auto& entry = *unjudged_.back();
    unjudged_.pop_back();
    entry.unjudged = false;
    judge(entry);
  }
  return settled();
}

void PlanIndex::take_part(Entry& entry) {
  start_anew(entry);
  auto part = part_of(*entry.seat);
  const auto since = entry.seat->info.boot_time;
  if (part != entry.part || since != entry.since) {
    change_slots(entry.part, [&](std::vector<Entry*>& list) { std::erase(list, &entry); });
    entry.part = std::move(part);
    entry.since = since;
    change_slots(entry.part, [&](std::vector<Entry*>& list) {
      list.insert(std::upper_bound(list.begin(), list.end(), &entry, ByAge{}), &entry);
    });
  }
  judge_later(entry);
}

Part PlanIndex::part_of(const Seat& seat) const {
  const auto& info = seat.info;
  Part part;
  if (info.is_master) return part;
  const auto add = [&](std::vector<ShardId>& to, const Assignment& assignment) {
    for (const auto id : assignment.ids) {
      if (inside(id) && std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
    }
  };
  if (info.goal.count == settings_.goal) {
    add(part.claims, info.goal);
  } else if (settings_.strategy != Strategy::blue_green && !seat.dead(settings_.patience, now_)) {
    add(part.wants, info.goal);
  }
  if (seat.gone(settings_.patience, now_)) return part;
  const auto add_live = [&](const Assignment& assignment) {
    if (assignment.count == settings_.goal) add(part.live, assignment);
  };
  add_live(info.goal);
  add_live(info.current);
  std::for_each(info.may_run.begin(), info.may_run.end(), add_live);
  return part;
}

/// Applies `change` to the lists of all slots that the part names. Other seats with a claim to such a slot
/// must be judged again.
template <class Change>
void PlanIndex::change_slots(const Part& part, Change change) {
  const auto change_all = [&](const std::vector<ShardId>& ids, std::vector<Entry*> Slot::*list) {
    for (const auto id : ids) {
      auto& slot = slots_[index(id)];
      vacant -= slot.vacant() ? 1 : 0;
      placed_ -= slot.claims.empty() ? 0 : 1;
      change(slot.*list);
      vacant += slot.vacant() ? 1 : 0;
      placed_ += slot.claims.empty() ? 0 : 1;
      open.put(index(id), slot.open());
      for (auto* const entry : slot.claims) judge_later(*entry);
      for (auto* const entry : slot.wants) judge_later(*entry);
    }
  };
  change_all(part.live, &Slot::live);
  change_all(part.claims, &Slot::claims);
  change_all(part.wants, &Slot::wants);
}

/// Visits every set that the entry may belong to: put(whether it belongs, set); and every sum that it
/// contributes to: add(sum, amount).
template <class Put, class Add>
void PlanIndex::for_each_list(Entry& e, Put put, Add add) {
  const auto& s = e.standing;
  put(s.due, due);
  put(s.reboot, reboots);
  put(s.dead, dead);
  put(s.gone, gone);
  put(s.left, left);
  put(s.drainable, drainable);
  put(s.convertible, convertible);
  put(s.surplus, surplus);
  put(s.room > 0, roomy);
  put(e.deadline != Time::max(), deadlines);
  add(all_capacity, e.capacity);
  add(idle_capacity, s.idle ? e.capacity : 0);
  add(room, s.room);
  add(ids_up, s.up);
  add(ids_refused, s.refused);
  add(moving, s.moving);
  add(old, s.old);
  add(waiting, s.waiting);
  add(leaving, s.leaving);
  add(listed, e.listed);
  if (e.held != nullptr) {
    add(e.held->ids, s.held);
    add(e.held->connected, s.held_there);
  }
  if (e.host == nullptr) return;
  put(s.idle, e.host->idle);
  put(s.ids > 0, e.host->placed);
  add(e.host->ids, s.ids);
  add(e.host->capacity, e.connected ? e.capacity : 0);
}

void PlanIndex::enlist(Entry& e) {
  for_each_list(
      e,
      [&](bool whether, auto& set) {
        if (whether) set.insert(&e);
      },
      [](auto& sum, std::size_t much) { sum += much; });
}

void PlanIndex::forget(Entry& e) {
  for_each_list(
      e,
      [&](bool whether, auto& set) {
        if (whether) set.erase(&e);
      },
      [](auto& sum, std::size_t much) { sum -= much; });
  if (e.host != nullptr && e.host->capacity == 0 && e.host->placed.empty()) {
    const auto label = e.host->label;
    hosts.erase(label);
  }
  e.leave_lists();
}

Assignment PlanIndex::rightful(const Entry& entry) const {
  const auto& seat = *entry.seat;
  const auto& info = seat.info;
  if (info.is_master) return {master_id(settings_.goal), settings_.goal};
  if (seat.stuck(settings_.patience, now_)) return {};
  if (info.goal.count != settings_.goal) {
    // The old generation keeps its ids; a dead seat loses them, so that its bot is stopped if it returns.
    return info.goal.bound() && !seat.dead(settings_.patience, now_) ? info.goal : Assignment{};
  }
  Assignment assignment;
  assignment.count = settings_.goal;
  for (const auto id : info.goal.ids) {
    if (inside(id) && slots_[index(id)].claims.front() == &entry && assignment.ids.size() < info.capacity) {
      assignment.ids.push_back(id);
    }
  }
  return assignment.bound() ? assignment : Assignment{};
}

std::vector<ShardId> PlanIndex::obtainable(const Entry& entry) const {
  std::vector<ShardId> ids;
  for (const auto id : entry.part.wants) {
    if (slots_[index(id)].obtainable(&entry) && ids.size() < entry.capacity) ids.push_back(id);
  }
  return ids;
}

bool PlanIndex::quiet() const { return steady() && vacant == 0 && moving == 0 && waiting == 0; }

Time PlanIndex::next_look(const Entry& entry) const {
  const auto& seat = *entry.seat;
  const auto& patience = settings_.patience;
  auto next = Time::max();
  const auto consider = [&](Time at) {
    if (at > now_) next = std::min(next, at);
  };
  if (seat.info.registered()) consider(seat.gone_at(patience));
  if (seat.info.goal.bound()) {
    const auto sign = seat.last_sign(patience);
    consider(sign + patience.request_reboot_after);
    consider(sign + patience.expect_reboot_after);
    consider(sign + patience.assume_dead_after);
    consider(seat.start_until(patience));
  } else if (entry.held != nullptr) {
    consider(seat.info.stop_time + patience.request_reboot_after);
  }
  return next;
}

void PlanIndex::judge(Entry& e) {
  forget(e);
  const auto& seat = *e.seat;
  const auto& info = seat.info;
  e.connected = seat.connected();
  e.first = info.goal.first();
  e.free_since = info.stop_time;
  if (!info.is_master) {
    e.capacity = info.capacity;
    if (drained(seat)) e.held = &held[info.host];
    e.deadline = next_look(e);
  }
  e.standing = standing_of(e);
  e.listed = true;
  if (e.capacity > 0 && (e.connected || e.standing.ids > 0)) {
    e.host = &hosts[info.host];
    e.host->label = info.host;
  }
  enlist(e);
}

Standing PlanIndex::standing_of(const Entry& e) const {
  const auto& seat = *e.seat;
  const auto& info = seat.info;
  const auto& patience = settings_.patience;
  Standing s;
  s.due = info.goal != rightful(e) && (!info.is_master || info.registered());
  if (info.is_master) return s;
  const bool drained = e.held != nullptr;
  if (!info.goal.bound()) {
    const bool stops = seat.must_stop_first(patience, now_);
    s.idle = seat.connected() && !stops && !drained;
    s.waiting = seat.connected() && stops;
    s.leaving = s.waiting && drained && now_ < info.stop_time + patience.request_reboot_after;
    s.held = drained && stops ? std::max<std::size_t>(info.current.ids.size(), 1) : 0;
    s.held_there = seat.connected() ? s.held : 0;
    return s;
  }
  s.held = drained && !seat.gone(patience, now_) ? info.goal.ids.size() : 0;
  s.held_there = seat.connected() ? s.held : 0;
  s.old = info.goal.count != settings_.goal;
  s.ids = s.old ? 0 : info.goal.ids.size();
  if (s.due) return s;
  s.reboot = seat.wants_reboot(patience, now_);
  if (s.old) {
    s.convertible = !obtainable(e).empty();
    const bool blocked = std::any_of(e.part.wants.begin(), e.part.wants.end(), [&](ShardId id) {
      const auto& slot = slots_[index(id)];
      return slot.claims.empty() && slot.wants.front() == &e;
    });
    s.surplus = !s.convertible && !blocked;
    return s;
  }
  s.dead = seat.dead(patience, now_);
  s.gone = s.dead && seat.gone(patience, now_);
  s.left = seat.left();
  s.drainable = seat.connected() && drained;
  s.up = seat.up() ? s.ids : 0;
  s.refused = seat.refused != 0 ? s.ids : 0;
  s.moving = seat.connected() && !seat.up() && now_ < seat.start_until(patience);
  s.room = seat.connected() && !s.dead && !drained ? info.capacity - s.ids : 0;
  return s;
}

}  // namespace smaster::fleet
