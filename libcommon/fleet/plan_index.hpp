// The planner's index: who has which id, who could take one, who is on the move, who must be looked at when.
// Kept up to date by what changed. It knows the rules that say what a seat is; what to do is the planner's.
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

/// A seat's part in the ids of the present generation.
struct Part {
  std::vector<ShardId> live;    ///< may be running
  std::vector<ShardId> claims;  ///< has been given
  std::vector<ShardId> wants;   ///< has with another count, and is to have with this one
  bool operator==(const Part&) const = default;
  void clear() {
    for (auto* const list : {&live, &claims, &wants}) list->clear();
  }
};

/// What a seat is to the rules: the sets that it is in, and what it counts for.
struct Standing {
  bool idle = false, dead = false, moving = false, old = false, waiting = false;
  bool convertible = false, surplus = false, due = false, reboot = false;
  std::size_t ids = 0;   ///< of the present generation
  std::size_t up = 0;    ///< those that run
  std::size_t room = 0;  ///< ids that it could take beside its own
};

/// A seat's place on the index: what it was when it was last looked at.
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

  /// It is in no list.
  void leave_lists() {
    listed = false;
    host = nullptr;
    standing = {};
    capacity = 0;
    connected = false;
    deadline = Time::max();
  }

  bool dirty = false;
  bool unjudged = false;
  bool listed = false;
  std::size_t place = 0;       ///< among all entries
  std::uint64_t settings = 0;  ///< which of the index's it is listed with
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
  void clear() {
    for (auto* const list : {&claims, &wants, &live}) list->clear();
  }
  /// Whether nobody but `by` has to do with it.
  [[nodiscard]] bool obtainable(const Entry* by) const;
  [[nodiscard]] bool open() const { return claims.empty() && wants.empty() && live.empty(); }
  [[nodiscard]] bool vacant() const { return claims.empty() && wants.empty(); }
};

/// What the seats are to the rules, in the orders in which these take them, and in sums.
struct Lists {
  EntriesById due;          ///< have what they must not have
  EntriesById reboots;      ///< silent, to be told
  EntriesById dead;         ///< have a place and give no sign of life
  EntriesById convertible;  ///< of an old generation, can have ids of the new one
  EntriesById surplus;      ///< of an old generation, not needed for the new one; the connected first
  std::set<Entry*, ByRoom> roomy;
  std::map<std::string, Host> hosts;
  std::uint64_t idle_capacity = 0;
  std::uint64_t room = 0;
  std::size_t moving = 0;
  std::size_t old = 0;
  std::size_t ids_up = 0;
  std::size_t waiting = 0;         ///< told to stop, and have not said that they did
  std::uint64_t all_capacity = 0;  ///< of all known seats but masters
  std::size_t listed = 0;          ///< seats that were looked at since the settings were changed
  std::set<Entry*, ByDeadline> deadlines;
};

/// Ids of the present generation.
class IdSet {
 public:
  /// All of so many.
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
  /// The lowest ones, at most so many.
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

  /// Looks at what changed, and at those whose time has come, at most at so many. Whether these were all:
  /// what is left is looked at as of the same time, whenever that is.
  [[nodiscard]] bool look(Time now, std::size_t most);
  /// Gives the seat this assignment, and looks at what that changes.
  void give(Entry& entry, Assignment assignment);

  /// The ids of its own that the seat must lose, or not: what is left.
  [[nodiscard]] Assignment rightful(const Entry& entry) const;
  /// The ids of its old assignment that an old one can have in the new generation now.
  [[nodiscard]] std::vector<ShardId> obtainable(const Entry& entry) const;
  /// Seats that nothing is known of yet.
  [[nodiscard]] std::size_t unlisted() const { return entries_.size() - listed; }
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

  IdSet open;
  std::size_t vacant = 0;  ///< ids that nobody has
  std::size_t masters = 0;

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
  [[nodiscard]] bool settled() const { return unmarked_ == 0 && dirty_.empty() && unjudged_.empty(); }
  bool settle(std::size_t most);
  [[nodiscard]] Time next_look(const Entry& entry) const;
  [[nodiscard]] std::size_t index(ShardId id) const { return static_cast<std::size_t>(id.value); }
  [[nodiscard]] bool inside(ShardId id) const { return id.bound() && index(id) < slots_.size(); }

  PlanSettings settings_;
  Time now_ = kNever;
  bool looking_ = false;  ///< what is to be looked at as of now_ was too much for one look
  std::size_t placed_ = 0;
  std::vector<Slot> slots_;
  std::unordered_map<const Seat*, std::unique_ptr<Entry>> entries_;
  Lists discarded_;                ///< by the settings before, freed bit by bit
  std::vector<Entry*> all_;        ///< the same as entries_
  std::size_t unmarked_ = 0;       ///< so many at the front of all_ are to be looked at with the new settings
  std::uint64_t settings_no_ = 0;  ///< counts the settings
  std::vector<Entry*> dirty_;
  std::vector<Entry*> unjudged_;
};

}  // namespace smaster::fleet
