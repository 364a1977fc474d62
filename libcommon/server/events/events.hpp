// The list of what happens: every event is logged, kept for the store, and told to those who follow. The log,
// the pages, the mails and the hooks are fed by it. Use on the context's thread only.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/listeners.hpp"
#include "base/types.hpp"
#include "records/event.hpp"

namespace smaster::server {

class Events {
 public:
  /// Called within `record`, so it must only take note.
  using Listener = Listeners<const fleet::Event&>::Listener;
  using Subscription = Listeners<const fleet::Event&>::Subscription;

  /// Of one kind about one shard, at most this many are recorded in kWhile; an event `omitted` then tells how
  /// many were not. They are logged nevertheless, within the log's own limits.
  static constexpr unsigned kMostAlike = 30;
  static constexpr Millis kWhile{600'000};
  /// Events that wait for a store that cannot be written; the oldest are lost beyond that.
  static constexpr std::size_t kMostUnsaved = 20'000;

  /// Records what has happened now, and logs it. `address`: of the shard, for the log.
  void record(fleet::Event event, const std::string& address = {});
  /// Records what bots ask of the server all day, such as SQL: not logged, and only the first of each shard
  /// and of all in kWhile.
  static constexpr unsigned kMostRoutine = 3;
  static constexpr unsigned kMostRoutineOfAll = 300;
  /// `make`: called only if the event is recorded.
  void record_routine(fleet::EventKind kind, const std::string& shard,
                      const std::function<fleet::Event()>& make);
  [[nodiscard]] Subscription follow(Listener listener) { return listeners_.subscribe(std::move(listener)); }

  /// Those that are not saved yet, oldest first.
  [[nodiscard]] const std::deque<fleet::Event>& unsaved() const { return unsaved_; }
  /// Takes them for the store; `put_back` those that could not be written.
  [[nodiscard]] std::vector<fleet::Event> take_unsaved();
  void put_back(std::vector<fleet::Event> events);

  /// Number of events by kind since the start, in the order of fleet::all_event_kinds.
  [[nodiscard]] const std::vector<std::size_t>& counts() const { return counts_; }

 private:
  struct Alike {
    unsigned recorded = 0;
    unsigned omitted = 0;
  };

  [[nodiscard]] bool too_many(fleet::EventKind kind, const std::string& shard, unsigned most);
  void tell_omitted(Time now);
  void add(fleet::Event event, Time now);

  std::deque<fleet::Event> unsaved_;
  Listeners<const fleet::Event&> listeners_;
  std::vector<std::size_t> counts_ = std::vector<std::size_t>(fleet::all_event_kinds().size());
  std::unordered_map<std::string, Alike> alike_;  ///< in the present interval, by kind and shard
  Time interval_ = from_unix_ms(0);               ///< its begin
  std::uint64_t last_id_ = 0;
};

}  // namespace smaster::server
