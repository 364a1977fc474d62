// The planner's index: which seat has which id, which could take one, which is starting, and when each must
// be judged again. Updated incrementally. Knows the rules that classify a seat; the planner decides what to
// do.
#pragma once

#include <boost/dynamic_bitset.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fleet/planner.hpp"

namespace smaster::fleet {

struct Host;

/// The ids of the current generation that concern a seat.
struct Part {
  std::vector<ShardId> live;    ///< ids that its bot may be running
  std::vector<ShardId> claims;  ///< ids assigned to it
  std::vector<ShardId> wants;   ///< ids that it has with another count, and is to keep with this one
  bool operator==(const Part&) const = default;
  void clear() {
    for (auto* const list : {&live, &claims, &wants}) list->clear();
  }
};

/// A seat as classified by the rules: the sets it belongs to, and its contribution to sums.
struct Standing {
  bool idle = false, dead = false, gone = false, moving = false, old = false, waiting = false;
  bool convertible = false, surplus = false, due = false, reboot = false;
  bool left = false, drainable = false, leaving = false;
  std::size_t ids = 0;         ///< assigned ids of the current generation
  std::size_t up = 0;          ///< those of them that run
  std::size_t refused = 0;     ///< those of them whose bot Discord refuses
  std::size_t room = 0;        ///< number of further ids that it could take
  std::size_t held = 0;        ///< on a drained host: ids that it has, or may still run
  std::size_t held_there = 0;  ///< the same, while it is connected
};

/// A seat on the index, as of when it was last judged.
struct Entry {
  explicit Entry(Seat& seat_) : seat(&seat_) {}

  Seat* seat;
  Part part;
  Time since{};  ///< if two seats have one id, the older claim wins
  Standing standing;

  // Sort keys in the sets, and the host.
  Host* host = nullptr;
  std::uint32_t capacity = 0;
  bool connected = false;
  Held* held = nullptr;  ///< sums of its host, if that is drained
  /// True if it may get ids.
  [[nodiscard]] bool usable() const { return connected && held == nullptr; }
  Time free_since{};  ///< the seat that has been free for longest is used first
  ShardId first;
  Time deadline = Time::max();

  /// Resets the entry to a state in no list.
  void leave_lists() {
    listed = false;
    host = nullptr;
    held = nullptr;
    standing = {};
    capacity = 0;
    connected = false;
    deadline = Time::max();
  }

  bool dirty = false;
  bool unjudged = false;
  bool listed = false;
  std::size_t place = 0;       ///< index in PlanIndex::all_
  std::uint64_t settings = 0;  ///< the number of the settings that it was judged with
};

/// Orders in which the rules use seats. Ties are broken by name.
struct ById {
  bool operator()(const Entry* a, const Entry* b) const;
};
struct ByAge {
  bool operator()(const Entry* a, const Entry* b) const;
};
struct ByWait {
  bool operator()(const Entry* a, const Entry* b) const;
};
struct ByRoom {
  bool operator()(const Entry* a, const Entry* b) const;
};
struct ByDeadline {
  bool operator()(const Entry* a, const Entry* b) const;
};
using EntriesById = std::set<Entry*, ById>;

/// The seats with one host label.
struct Host {
  std::string label;
  std::uint64_t capacity = 0;  ///< of its connected seats
  std::uint64_t ids = 0;       ///< assigned to its seats
  std::set<Entry*, ByWait> idle;
  EntriesById placed;
  /// The load after adding `more` ids; 1: as many as its processes can take.
  [[nodiscard]] double load_with(std::size_t more) const {
    return capacity == 0 ? 1 : static_cast<double>(ids + more) / static_cast<double>(capacity);
  }
};

/// An id of the current generation, and the seats that it concerns.
struct Slot {
  std::vector<Entry*> claims;  ///< seats that have it, oldest claim first: that is the owner
  std::vector<Entry*> wants;   ///< seats that are to keep it from another generation, oldest first
  std::vector<Entry*> live;
  void clear() {
    for (auto* const list : {&claims, &wants, &live}) list->clear();
  }
  /// True if no seat but `by` claims, wants or may still run this id.
  [[nodiscard]] bool obtainable(const Entry* by) const;
  [[nodiscard]] bool open() const { return claims.empty() && wants.empty() && live.empty(); }
  [[nodiscard]] bool vacant() const { return claims.empty() && wants.empty(); }
};

/// All seats by class, each set in the order of its use, and sums over them.
struct Lists {
  EntriesById due;          ///< have an assignment that they must not have
  EntriesById reboots;      ///< silent: must be told to reboot
  EntriesById dead;         ///< have ids, and give no sign of life
  EntriesById gone;         ///< the dead whose bots cannot be running any more
  EntriesById left;         ///< have ids, and their agents have stopped cleanly
  EntriesById drainable;    ///< connected, have ids of the current generation, and are on a drained host
  EntriesById convertible;  ///< old generation; can get ids of the new one
  EntriesById surplus;      ///< old generation; not needed for the new one; usable seats first
  std::set<Entry*, ByRoom> roomy;
  std::map<std::string, Host> hosts;
  std::uint64_t idle_capacity = 0;
  std::uint64_t room = 0;
  std::size_t moving = 0;
  std::size_t old = 0;
  std::size_t ids_up = 0;
  std::size_t ids_refused = 0;
  std::size_t waiting = 0;           ///< seats told to stop that have not confirmed it
  std::size_t leaving = 0;           ///< those of them on drained hosts, unless they take too long
  std::map<std::string, Held> held;  ///< by the labels of drained hosts
  std::uint64_t all_capacity = 0;    ///< of all known seats except masters
  std::size_t listed = 0;            ///< seats judged since the last change of settings
  std::set<Entry*, ByDeadline> deadlines;
};

/// A set of ids of the current generation.
class IdSet {
 public:
  /// Contains all ids below `size`.
  void fill(std::size_t size) {
    bits_.resize(size);
    bits_.set();
    count_ = size;
  }
  void put(std::size_t id, bool whether) {
    if (bits_[id] == whether) return;
    bits_[id] = whether;
    count_ += whether ? 1 : static_cast<std::size_t>(-1);
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }
  /// The lowest ids, at most `most`.
  [[nodiscard]] std::vector<ShardId> lowest(std::size_t most) const;

 private:
  boost::dynamic_bitset<> bits_;
  std::size_t count_ = 0;
};

class PlanIndex : public Lists {
 public:
  explicit PlanIndex(const PlanSettings& settings) { set(settings); }

  void set(const PlanSettings& settings);
  void add(Seat& seat);
  void changed(Seat& seat);
  void remove(Seat& seat);

  /// Judges the seats that changed or are due, at most `most` of them. Returns false if there are more; they
  /// are judged later as of the same time.
  [[nodiscard]] bool look(Time now, std::size_t most);
  /// Assigns an assignment to the seat, and judges all seats that this affects.
  void give(Entry& entry, Assignment assignment);

  /// The assignment that the seat may keep: its goal without ids that it must lose.
  [[nodiscard]] Assignment rightful(const Entry& entry) const;
  /// The ids of an old assignment that the seat can have in the new generation now.
  [[nodiscard]] std::vector<ShardId> obtainable(const Entry& entry) const;
  /// Number of seats that have not been judged yet.
  [[nodiscard]] std::size_t unlisted() const { return entries_.size() - listed; }
  /// Number of assigned ids.
  [[nodiscard]] std::size_t placed() const { return placed_; }
  /// Number of ids that seats could take, some of them with a restart.
  [[nodiscard]] std::size_t places() const { return idle_capacity + room; }
  /// A seat on a drained host whose ids have room on other hosts; null: none.
  [[nodiscard]] Entry* next_to_drain() const;
  /// True if every seat is judged, and has an assignment of the current generation that it may keep.
  [[nodiscard]] bool steady() const { return unlisted() == 0 && due.empty() && old == 0; }
  /// True if no seat is in transition, and every id is assigned.
  [[nodiscard]] bool quiet() const;
  /// An idle seat for open ids, on the host with the lowest resulting load; null: no seat is idle.
  [[nodiscard]] Entry* next_idle() const;
  /// A seat on the most loaded host whose ids should move to another host; null: no move would even out the
  /// load.
  [[nodiscard]] Entry* next_move() const;

  [[nodiscard]] const PlanSettings& settings() const { return settings_; }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  IdSet open;
  std::size_t vacant = 0;  ///< ids that no seat claims or wants

 private:
  void mark(Entry& entry);
  void discard(std::size_t most);
  void start_anew(Entry& entry) const;
  void swap(std::size_t a, std::size_t b);
  void judge_later(Entry& entry);
  void take_part(Entry& entry);
  [[nodiscard]] Part part_of(const Seat& seat) const;
  template <class Change>
  void change_slots(const Part& part, Change change);
  void judge(Entry& entry);
  [[nodiscard]] Standing standing_of(const Entry& entry) const;
  void enlist(Entry& entry);
  void forget(Entry& entry);
  template <class Put, class Add>
  void for_each_list(Entry& entry, Put put, Add add);
  [[nodiscard]] bool drained(const Seat& seat) const {
    return !settings_.drained.empty() && settings_.drained.contains(seat.info.host);
  }
  [[nodiscard]] bool settled() const { return unmarked_ == 0 && dirty_.empty() && unjudged_.empty(); }
  bool settle(std::size_t most);
  [[nodiscard]] Time next_look(const Entry& entry) const;
  [[nodiscard]] std::size_t index(ShardId id) const { return static_cast<std::size_t>(id.value); }
  [[nodiscard]] bool inside(ShardId id) const { return id.bound() && index(id) < slots_.size(); }

  PlanSettings settings_;
  Time now_ = kNever;
  bool looking_ = false;  ///< the last call of `look` reached its limit
  std::size_t placed_ = 0;
  std::vector<Slot> slots_;
  std::unordered_map<const Seat*, std::unique_ptr<Entry>> entries_;
  Lists discarded_;          ///< lists of the previous settings, freed in steps
  std::vector<Entry*> all_;  ///< all entries, in any order
  /// Number of entries at the front of all_ that must be judged with the new settings.
  std::size_t unmarked_ = 0;
  std::uint64_t settings_no_ = 0;  ///< counts changes of settings
  std::vector<Entry*> dirty_;
  std::vector<Entry*> unjudged_;
};

}  // namespace smaster::fleet
