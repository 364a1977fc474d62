// The planner's index: who has which id, who could take one, who is on the move, who must be looked at when.
// Kept up to date by what changed. It knows the rules that say what a seat is; what to do is the planner's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fleet/planner.hpp"

namespace smaster::fleet {

struct Host;

/// A seat's part in the ids of the present generation.
struct Part {
  std::vector<ShardId> live;    ///< may be running
  std::vector<ShardId> claims;  ///< has been given
  std::vector<ShardId> wants;   ///< has with another count, and is to have with this one
  bool operator==(const Part&) const = default;
};

/// What a seat is to the rules: the sets that it is in, and what it counts for.
struct Standing {
  bool idle = false, dead = false, moving = false, old = false, waiting = false;
  bool convertible = false, surplus = false, due = false, reboot = false;
  std::size_t ids = 0;   ///< of the present generation
  std::size_t up = 0;    ///< those that run
  std::size_t room = 0;  ///< ids that it could take beside its own
};

/// A seat's place on the board: what it was when it was last looked at.
struct Entry {
  explicit Entry(Seat& seat_) : seat(&seat_) {}

  Seat* seat;
  Part part;
  Time since{};  ///< of two with one id the older one keeps it
  Standing standing;

  // Its order in the sets, and its host.
  Host* host = nullptr;
  std::uint32_t capacity = 0;
  bool connected = false;
  Time free_since{};  ///< who waits longest comes first
  ShardId first;
  Time deadline = Time::max();

  bool dirty = false;
  bool unjudged = false;
};

/// Orders in which the rules take seats; the name decides between equals.
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

/// The seats that have one label.
struct Host {
  std::string label;
  std::uint64_t capacity = 0;  ///< of those that are connected
  std::uint64_t ids = 0;       ///< given to them
  std::set<Entry*, ByWait> idle;
  EntriesById placed;
  /// How full it would be with so many ids more; 1: as many as its processes take.
  [[nodiscard]] double load_with(std::size_t more) const {
    return capacity == 0 ? 1 : static_cast<double>(ids + more) / static_cast<double>(capacity);
  }
};

/// An id of the present generation.
struct Slot {
  std::vector<Entry*> claims;  ///< by age: the first is the owner
  std::vector<Entry*> wants;   ///< by age
  std::vector<Entry*> live;
  /// Whether nobody but `by` has to do with it.
  [[nodiscard]] bool obtainable(const Entry* by) const;
  [[nodiscard]] bool open() const { return claims.empty() && wants.empty() && live.empty(); }
  [[nodiscard]] bool vacant() const { return claims.empty() && wants.empty(); }
};

class Board {
 public:
  explicit Board(const PlanSettings& settings) { set(settings); }

  void set(const PlanSettings& settings);
  void add(Seat& seat);
  void changed(Seat& seat);
  void remove(Seat& seat);

  /// Looks at what changed, and at those whose time has come.
  void look(Time now);
  /// Gives the seat this role, and looks at what that changes.
  void give(Entry& entry, Role role);

  /// The ids of its own that the seat must lose, or not: what is left.
  [[nodiscard]] Role rightful(const Entry& entry) const;
  /// The ids of its old role that an old one can have in the new generation now.
  [[nodiscard]] std::vector<ShardId> obtainable(const Entry& entry) const;
  /// The lowest open ids, at most so many.
  [[nodiscard]] std::vector<ShardId> open_ids(std::size_t most) const;

  /// Ids that somebody has been given.
  [[nodiscard]] std::size_t placed() const { return placed_; }
  /// Nothing is on the move, and every id has its place.
  [[nodiscard]] bool quiet() const;
  /// The seat to give open ids to, on the host that is the least full with them; none: no seat is free.
  [[nodiscard]] Entry* next_idle() const;
  /// A seat whose ids another host should have, if that makes the fullest of the two less full.
  [[nodiscard]] Entry* next_move() const;

  [[nodiscard]] const PlanSettings& settings() const { return settings_; }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  EntriesById due;          ///< have what they must not have
  EntriesById reboots;      ///< silent, to be told
  EntriesById dead;         ///< have a place and give no sign of life
  EntriesById convertible;  ///< of an old generation, can have ids of the new one
  EntriesById surplus;      ///< of an old generation, not needed for the new one; the connected first
  std::set<Entry*, ByRoom> roomy;
  std::map<std::string, Host> hosts;
  std::set<ShardId> open;
  std::uint64_t idle_capacity = 0;
  std::uint64_t room = 0;
  std::size_t vacant = 0;  ///< ids that nobody has
  std::size_t moving = 0;
  std::size_t old = 0;
  std::size_t ids_up = 0;
  std::size_t waiting = 0;         ///< told to stop, and have not said that they did
  std::uint64_t all_capacity = 0;  ///< of all known seats but masters
  std::size_t masters = 0;

 private:
  void mark(Entry& entry);
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
  void settle();
  [[nodiscard]] Time next_look(const Entry& entry) const;
  [[nodiscard]] std::size_t index(ShardId id) const { return static_cast<std::size_t>(id.value); }
  [[nodiscard]] bool inside(ShardId id) const { return id.bound() && index(id) < slots_.size(); }

  PlanSettings settings_;
  Time now_ = kNever;
  std::size_t placed_ = 0;
  std::vector<Slot> slots_;
  std::unordered_map<const Seat*, std::unique_ptr<Entry>> entries_;
  std::set<Entry*, ByDeadline> deadlines_;
  std::vector<Entry*> dirty_;
  std::vector<Entry*> unjudged_;
};

}  // namespace smaster::fleet
