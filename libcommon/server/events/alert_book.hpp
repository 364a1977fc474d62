// What is wrong with the fleet now, and which of it operators are told: each trouble once when it begins,
// again only after a long time, and once when it is over. Pure: conditions and time in, notices out.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace smaster::server {

/// Something that is wrong at this moment.
struct AlertCondition {
  std::string key;             ///< tells it from others, and stays the same while it lasts: "host fra1"
  std::string text;            ///< a sentence; may change while it lasts
  Millis patience{0};          ///< only told if it lasts that long
  bool told_by_event = false;  ///< operators hear of its beginning by an event, which says more
  std::string host{};          ///< that it is about; empty: none, or several
  std::vector<ShardId> ids{};  ///< that it is about; sorted
  bool runs = false;           ///< its ids have running bots all the same
};

/// Alerts that operators do not want for a while: all, those about a host, or those about an id.
struct Silence {
  std::string host{};           ///< empty: any
  std::optional<ShardId> id{};  ///< unset: any
  Time until{};
  std::string by{};
  std::string why{};
  /// True for a condition that it is about as a whole: of several ids, only those.
  [[nodiscard]] bool covers(const AlertCondition& condition) const;
  bool operator==(const Silence&) const = default;
};

/// Removes those that are exactly about this; returns how many.
std::size_t end_silence(std::vector<Silence>& silences, const std::string& host, std::optional<ShardId> id);

/// What operators are told.
struct Notice {
  enum class Kind { begins, lasts, over };
  Kind kind;
  std::string key;
  std::string text;
  Millis lasted{0};       ///< since the condition began
  std::string details{};  ///< lines that belong to it
  bool recorded = false;  ///< the list of events has what it is about
};

/// A trouble that operators have been told of.
struct ActiveAlert {
  std::string key;
  std::string text;
  Time since{};
  bool silenced = false;
};

/// A trouble that operators have been told of and that is not over: persisted, so that the next server tells
/// its end, and does not tell its beginning again.
struct ToldAlert {
  std::string key;
  std::string text;  ///< as it was told
  std::string host{};
  std::vector<ShardId> ids{};  ///< that operators were told of; sorted
  bool runs = false;           ///< AlertCondition::runs
  Time since{};
  Time told{};
  bool operator==(const ToldAlert&) const = default;
};

class AlertBook {
 public:
  /// A condition that is away for less than this has not ended.
  static constexpr Millis kSettle{15'000};
  /// A trouble that is about more ids than were told is told again after this.
  static constexpr Millis kGrows{20'000};

  /// `again`: a trouble that lasts is told again after that; zero: never.
  /// `is_up`: true for an id with a running bot; only asked about troubles that were restored.
  [[nodiscard]] std::vector<Notice> update(Time now, const std::vector<AlertCondition>& conditions,
                                           Millis again, const std::function<bool(ShardId)>& is_up = {});

  /// Those that operators have been told of, by key.
  [[nodiscard]] std::vector<ToldAlert> told() const;
  /// What is not about ids shows itself within this time after a start.
  static constexpr Millis kUnsure{30'000};
  /// Adds those of an earlier server. A server that has just started has not had the time to find out what is
  /// wrong: until `held_until`, one about ids is only over when all of them have a running bot.
  void restore(const std::vector<ToldAlert>& alerts, Time now, Time held_until);
  /// True if an earlier server told after `after` of a trouble with this key and all of these ids.
  [[nodiscard]] bool was_told(const std::string& key, const std::vector<ShardId>& ids, Time after) const;

  void set_silences(std::vector<Silence> silences) { silences_ = std::move(silences); }
  [[nodiscard]] const std::vector<Silence>& silences() const { return silences_; }

  /// The troubles at the last update that have outlasted their patience, in the order of their beginning.
  [[nodiscard]] std::vector<ActiveAlert> active() const;

 private:
  struct Trouble {
    AlertCondition condition;
    Time since{};
    Time seen{};                      ///< at the last update that had it
    Time away{};                      ///< at the first update since then
    std::optional<Time> told{};       ///< when operators were told last
    std::vector<ShardId> told_ids{};  ///< that they were told of; sorted
    std::string told_text{};
    std::optional<ToldAlert> before{};  ///< as an earlier server told it
    Time held_until{};                  ///< of one that was restored
    bool due = false;                   ///< has outlasted its patience
    bool silenced = false;
  };

  [[nodiscard]] bool silenced(const AlertCondition& condition) const;
  void begin(Trouble& trouble, const AlertCondition& condition, Time now);

  std::map<std::string, Trouble> troubles_;
  std::vector<Silence> silences_;
};

}  // namespace smaster::server
