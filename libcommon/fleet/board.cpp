#include "fleet/board.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace smaster::fleet {
namespace {

const ShardName& name(const Entry* entry) { return entry->seat->info.id; }

bool older(const Entry* a, const Entry* b) { return ByAge{}(a, b); }

}  // namespace

bool ById::operator()(const Entry* a, const Entry* b) const {
  return std::forward_as_tuple(!a->connected, a->first, name(a)) <
         std::forward_as_tuple(!b->connected, b->first, name(b));
}
bool ByAge::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->since, name(a)) < std::tie(b->since, name(b));
}
bool ByWait::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->free_since, name(a)) < std::tie(b->free_since, name(b));
}
bool ByRoom::operator()(const Entry* a, const Entry* b) const {
  return std::tie(b->room, a->first, name(a)) < std::tie(a->room, b->first, name(b));
}
bool ByDeadline::operator()(const Entry* a, const Entry* b) const {
  return std::tie(a->deadline, name(a)) < std::tie(b->deadline, name(b));
}

bool Slot::obtainable(const Entry* by) const {
  return claims.empty() && (wants.empty() || wants.front() == by) &&
         std::all_of(live.begin(), live.end(), [by](const Entry* entry) { return entry == by; });
}

void Board::set(const PlanSettings& settings) {
  settings_ = settings;
  for (auto& [seat, entry] : entries_) {
    forget(*entry);
    entry->live.clear();
    entry->claims.clear();
    entry->wants.clear();
  }
  open.clear();
  vacant = placed_ = 0;
  slots_.assign(static_cast<std::size_t>(std::max(settings.goal.value, 0)), Slot{});
  for (std::int32_t id = 0; id < settings.goal.value; ++id) {
    open.insert(ShardId{id});
    ++vacant;
  }
  for (auto& [seat, entry] : entries_) mark(*entry);
}

void Board::add(Seat& seat) {
  const auto [at, fresh] = entries_.emplace(&seat, std::make_unique<Entry>(seat));
  auto& entry = *at->second;
  if (fresh && seat.info.is_master) ++masters;
  mark(entry);
}

void Board::remove(Seat& seat) {
  const auto found = entries_.find(&seat);
  if (found == entries_.end()) return;
  auto& entry = *found->second;
  forget(entry);
  leave(entry, entry.live, &Slot::live);
  leave(entry, entry.claims, &Slot::claims);
  leave(entry, entry.wants, &Slot::wants);
  if (seat.info.is_master) --masters;
  all_capacity -= entry.capacity;
  std::erase(dirty_, &entry);
  std::erase(unjudged_, &entry);
  entries_.erase(found);
}

void Board::changed(Seat& seat) {
  if (const auto found = entries_.find(&seat); found != entries_.end()) mark(*found->second);
}

void Board::mark(Entry& entry) {
  if (!std::exchange(entry.dirty, true)) dirty_.push_back(&entry);
}

void Board::look(Time now) {
  now_ = now;
  while (!deadlines_.empty() && (*deadlines_.begin())->deadline <= now) {
    auto& entry = **deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    entry.deadline = Time::max();
    mark(entry);
  }
  settle();
}

void Board::give(Entry& entry, Role role) {
  apply(role, entry.seat->info, now_);
  mark(entry);
  settle();
}

/// First everybody's part in the ids, then what each is by them.
void Board::settle() {
  for (auto* const entry : std::exchange(dirty_, {})) {
    entry->dirty = false;
    take_part(*entry);
  }
  for (auto* const entry : std::exchange(unjudged_, {})) {
    entry->unjudged = false;
    judge(*entry);
  }
}

void Board::take_part(Entry& entry) {
  const auto& seat = *entry.seat;
  const auto& info = seat.info;
  std::vector<ShardId> live;
  std::vector<ShardId> claims;
  std::vector<ShardId> wants;
  const auto add = [&](std::vector<ShardId>& to, const Role& role) {
    for (const auto id : role.ids) {
      if (inside(id) && std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
    }
  };
  if (!info.is_master) {
    const bool present = info.goal.count == settings_.goal;
    if (present) add(claims, info.goal);
    const bool moves = settings_.strategy != Strategy::blue_green && !seat.dead(settings_.patience, now_);
    if (!present && moves) add(wants, info.goal);
    if (!seat.gone(settings_.patience, now_)) {
      const auto mark_live = [&](const Role& role) {
        if (role.count == settings_.goal) add(live, role);
      };
      mark_live(info.goal);
      mark_live(info.current);
      std::for_each(info.may_run.begin(), info.may_run.end(), mark_live);
    }
  }
  const auto replace = [&](std::vector<ShardId>& old, std::vector<ShardId>& fresh,
                           std::vector<Entry*> Slot::*who) {
    if (old == fresh && entry.since == info.boot_time) return;
    leave(entry, old, who);
    std::swap(old, fresh);
    fresh.clear();
  };
  const bool aged = entry.since != info.boot_time;
  if (aged || live != entry.live || claims != entry.claims || wants != entry.wants) {
    replace(entry.live, live, &Slot::live);
    replace(entry.claims, claims, &Slot::claims);
    replace(entry.wants, wants, &Slot::wants);
    entry.since = info.boot_time;
    enter(entry, entry.live, &Slot::live);
    enter(entry, entry.claims, &Slot::claims);
    enter(entry, entry.wants, &Slot::wants);
  }
  if (!std::exchange(entry.unjudged, true)) unjudged_.push_back(&entry);
}

void Board::leave(Entry& entry, std::vector<ShardId>& ids, std::vector<Entry*> Slot::*who) {
  for (const auto id : ids) {
    std::erase(slots_[index(id)].*who, &entry);
    slot_changed(id);
  }
}

void Board::enter(Entry& entry, std::vector<ShardId>& ids, std::vector<Entry*> Slot::*who) {
  for (const auto id : ids) {
    auto& list = slots_[index(id)].*who;
    if (std::find(list.begin(), list.end(), &entry) != list.end()) continue;
    list.insert(std::upper_bound(list.begin(), list.end(), &entry, older), &entry);
    slot_changed(id);
  }
}

/// Whoever has to do with the id may now have it, or have lost it.
void Board::slot_changed(ShardId id) {
  auto& slot = slots_[index(id)];
  if (slot.open()) {
    open.insert(id);
  } else {
    open.erase(id);
  }
  vacant -= slot.counted_vacant ? 1 : 0;
  slot.counted_vacant = slot.vacant();
  vacant += slot.counted_vacant ? 1 : 0;
  placed_ -= slot.counted_placed ? 1 : 0;
  slot.counted_placed = !slot.claims.empty();
  placed_ += slot.counted_placed ? 1 : 0;
  for (const auto* const list : {&slot.claims, &slot.wants}) {
    for (auto* const entry : *list) {
      if (!std::exchange(entry->unjudged, true)) unjudged_.push_back(entry);
    }
  }
}

void Board::forget(Entry& e) {
  if (e.deadline != Time::max()) deadlines_.erase(&e);
  e.deadline = Time::max();
  if (e.host != nullptr) {
    auto& host = *e.host;
    if (e.idle) host.idle.erase(&e);
    if (e.connected) host.capacity -= e.capacity;
    if (host.placed.erase(&e) > 0) host.ids -= e.claims_counted;
    if (host.capacity == 0 && host.placed.empty() && host.idle.empty()) hosts.erase(host.label);
    e.host = nullptr;
  }
  if (e.idle) idle_capacity -= e.capacity;
  if (e.roomy) {
    roomy.erase(&e);
    room -= e.room;
  }
  if (e.dead) dead.erase(&e);
  if (e.convertible) convertible.erase(&e);
  if (e.surplus) surplus.erase(&e);
  if (e.due) due.erase(&e);
  if (e.reboot) reboots.erase(&e);
  moving -= e.moving ? 1 : 0;
  old -= e.old ? 1 : 0;
  waiting -= e.waiting ? 1 : 0;
  ids_up -= e.up;
  e.idle = e.roomy = e.dead = e.moving = e.old = e.convertible = e.surplus = e.due = e.reboot = e.waiting =
      false;
  e.up = e.room = 0;
}

Role Board::rightful(const Entry& entry) const {
  const auto& seat = *entry.seat;
  const auto& info = seat.info;
  if (info.is_master) return {master_id(settings_.goal), settings_.goal};
  if (seat.stuck(settings_.patience, now_)) return {};
  if (info.goal.count != settings_.goal) {
    // The old generation keeps what it has, but the dead are stopped if they return.
    return info.goal.bound() && !seat.dead(settings_.patience, now_) ? info.goal : Role{};
  }
  Role role;
  role.count = settings_.goal;
  for (const auto id : info.goal.ids) {
    if (inside(id) && slots_[index(id)].claims.front() == &entry && role.ids.size() < info.capacity) {
      role.ids.push_back(id);
    }
  }
  return role.bound() ? role : Role{};
}

std::vector<ShardId> Board::obtainable(const Entry& entry) const {
  std::vector<ShardId> ids;
  for (const auto id : entry.wants) {
    if (slots_[index(id)].obtainable(&entry) && ids.size() < entry.capacity) ids.push_back(id);
  }
  return ids;
}

std::vector<ShardId> Board::open_ids(std::size_t most) const {
  std::vector<ShardId> ids;
  for (auto at = open.begin(); at != open.end() && ids.size() < most; ++at) ids.push_back(*at);
  return ids;
}

bool Board::quiet() const { return due.empty() && vacant == 0 && moving == 0 && old == 0 && waiting == 0; }

Entry* Board::next_idle() const {
  Entry* best = nullptr;
  double least = std::numeric_limits<double>::max();
  for (const auto& [label, host] : hosts) {
    if (host.idle.empty()) continue;
    auto* const entry = *host.idle.begin();
    const auto load = host.load_with(std::min<std::size_t>(entry->capacity, open.size()));
    if (load < least) std::tie(best, least) = std::pair(entry, load);
  }
  return best;
}

Entry* Board::next_move() const {
  const Host* full = nullptr;
  for (const auto& [label, host] : hosts) {
    const bool fuller = full == nullptr || host.load_with(0) > full->load_with(0);
    if (!label.empty() && !host.placed.empty() && fuller) full = &host;
  }
  if (full == nullptr) return nullptr;
  Entry* best = nullptr;
  for (auto* const entry : full->placed) {
    const auto ids = entry->claims_counted;
    if (!entry->connected || (best != nullptr && ids >= best->claims_counted)) continue;
    // Where they went would be less full than this host is now; and this host would not take them again.
    const bool other = std::any_of(hosts.begin(), hosts.end(), [&](const auto& item) {
      const auto& host = item.second;
      return &host != full && !host.label.empty() && !host.idle.empty() &&
             (*host.idle.begin())->capacity >= ids && host.load_with(ids) < full->load_with(0);
    });
    const bool back = !full->idle.empty() && (*full->idle.begin())->capacity < ids;
    if (other && !back) best = entry;
  }
  return best;
}

Time Board::next_look(const Entry& entry) const {
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
  }
  return next;
}

void Board::judge(Entry& e) {
  forget(e);
  const auto& seat = *e.seat;
  const auto& info = seat.info;
  const auto& patience = settings_.patience;
  e.connected = seat.connected;
  e.first = info.goal.first();
  e.free_since = info.stop_time;
  if (info.is_master) {
    e.due = info.registered() && info.goal != rightful(e);
    if (e.due) due.insert(&e);
    return;
  }
  all_capacity += info.capacity - e.capacity;
  e.capacity = info.capacity;

  const auto right = rightful(e);
  const bool bound = info.goal.bound();
  const bool present = bound && info.goal.count == settings_.goal;
  e.old = bound && !present;
  e.due = right != info.goal;
  e.idle = !bound && seat.connected && !seat.must_stop_first(patience, now_);
  e.waiting = !bound && seat.connected && !e.idle;
  if (!e.due && bound) {
    e.reboot = seat.wants_reboot(patience, now_);
    if (present) {
      e.dead = seat.dead(patience, now_);
      e.up = seat.up() ? info.goal.ids.size() : 0;
      e.moving = seat.connected && !seat.up() && now_ < seat.start_until(patience);
      e.room = seat.connected && !e.dead ? info.capacity - info.goal.ids.size() : 0;
      e.roomy = e.room > 0;
    } else {
      const bool blocked = std::any_of(e.wants.begin(), e.wants.end(), [&](ShardId id) {
        const auto& slot = slots_[index(id)];
        return slot.claims.empty() && slot.wants.front() == &e;
      });
      e.convertible = !obtainable(e).empty();
      e.surplus = !e.convertible && !blocked;
    }
  }

  if (e.due) due.insert(&e);
  if (e.reboot) reboots.insert(&e);
  if (e.dead) dead.insert(&e);
  if (e.convertible) convertible.insert(&e);
  if (e.surplus) surplus.insert(&e);
  if (e.roomy) roomy.insert(&e);
  room += e.room;
  idle_capacity += e.idle ? e.capacity : 0;
  moving += e.moving ? 1 : 0;
  old += e.old ? 1 : 0;
  waiting += e.waiting ? 1 : 0;
  ids_up += e.up;
  if (seat.connected || present) {
    auto& host = hosts[info.host];
    host.label = info.host;
    if (seat.connected) host.capacity += e.capacity;
    if (e.idle) host.idle.insert(&e);
    if (present) {
      host.placed.insert(&e);
      host.ids += e.claims_counted = info.goal.ids.size();
    }
    e.host = &host;
  }
  e.deadline = next_look(e);
  if (e.deadline != Time::max()) deadlines_.insert(&e);
}

}  // namespace smaster::fleet
