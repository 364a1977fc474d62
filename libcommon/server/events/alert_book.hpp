// What is wrong with the fleet now, and which of it operators are told: each trouble once when it begins,
// again only after a long time, and once when it is over. Pure: conditions and time in, notices out.
#pragma once

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

class AlertBook {
 public:
  /// A condition that is away for less than this has not ended.
  static constexpr Millis kSettle{15'000};
  /// A trouble that is about more ids than were told is told again after this.
  static constexpr Millis kGrows{20'000};

  /// `again`: a trouble that lasts is told again after that; zero: never.
  [[nodiscard]] std::vector<Notice> update(Time now, const std::vector<AlertCondition>& conditions,
                                           Millis again);

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
    bool due = false;  ///< has outlasted its patience
    bool silenced = false;
  };

  [[nodiscard]] bool silenced(const AlertCondition& condition) const;

  std::map<std::string, Trouble> troubles_;
  std::vector<Silence> silences_;
};

}  // namespace smaster::server
