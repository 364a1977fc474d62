// What happened in a fleet, as one typed list: the log, the store, the pages and the alerts are fed by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

enum class EventKind : std::uint8_t {
  // Connections of shards.
  connected,
  replaced,
  disconnected,
  dead,
  duplicate,
  second_user,
  // Bots.
  assigned,
  started,
  ready,
  resumed,
  closed,
  died,
  stopped,
  parked,
  refused,
  idle,
  silent,
  unwell,
  held,
  // The server.
  goal,
  leader,
  settings,
  store,
  keys,
  start,
  stop,
  alert,
  recovered,
  omitted,
  stood,
  // Requests, which `--audit` selects.
  eval,
  sql,
  file,
  respawn,
  reboot,
  reshard,
  registered,
  join_refused,
  revoked,
  update,
  rotation,
  control,
};

enum class Severity : std::uint8_t { info, warn, error };

/// What is the same for all events of a kind.
struct EventTraits {
  EventKind kind;
  std::string_view word;  ///< "connected"
  Severity severity;
  bool audit;  ///< somebody asked for it
};

[[nodiscard]] const EventTraits& traits(EventKind kind);
[[nodiscard]] std::optional<EventKind> parse_event_kind(std::string_view word);
/// In the order of EventKind.
[[nodiscard]] const std::vector<EventTraits>& all_event_kinds();

struct Event {
  EventKind kind{};
  std::string text{};     ///< a sentence: what happened, and why
  std::string details{};  ///< lines that belong to it, such as a bot's last ones; empty: none
  std::string shard{};    ///< the shard's name; empty: it is not about one
  std::string ids{};      ///< its ids at that time: "7", or "3,4"; empty: none
  std::string host{};     ///< the label of its host
  std::string by{};       ///< who asked: "root (control socket)", "shard abc (10.0.0.1)"; empty: nobody
  /// Set when it is recorded. Milliseconds since 1970 times 1,000, plus a number that makes it unique: sorted
  /// by time, and below 2^53.
  std::uint64_t id = 0;

  [[nodiscard]] Time at() const { return from_unix_ms(static_cast<std::int64_t>(id / 1'000)); }
  bool operator==(const Event&) const = default;
};

/// The lowest id of an event of this time or later.
[[nodiscard]] std::uint64_t first_event_id(Time at);

/// Maximum sizes of the texts of an event, in bytes: longer ones are cut when it is recorded.
inline constexpr std::size_t kMaxEventText = 1'000;
inline constexpr std::size_t kMaxEventDetails = 3'000;
inline constexpr std::size_t kMaxEventField = 200;
/// Cuts its texts at those sizes, between characters.
void shorten(Event& event);

/// A JSON object: `id`, `at` (unix milliseconds), `kind`, `severity`, `audit`, `shard`, `ids` (an array),
/// `host`, `by`, `text`. Empty texts are left out.
[[nodiscard]] std::string to_text(const Event& event);
/// nullopt if the text is no such object, or of an unknown kind: a newer version wrote it.
[[nodiscard]] std::optional<Event> parse_event(std::string_view text);

/// Selects events. All that are given must hold.
struct EventQuery {
  std::uint64_t after = 0;         ///< only ids above this
  std::string shard{};             ///< a name; empty: any
  std::optional<ShardId> id{};     ///< about a shard with this id
  std::vector<EventKind> kinds{};  ///< empty: any
  bool audit = false;              ///< only requests
  std::size_t limit = 1'000;       ///< the newest ones
  [[nodiscard]] bool matches(const Event& event) const;
};

/// True if `ids`, such as "3,4", has this id.
[[nodiscard]] bool has_id(std::string_view ids, ShardId id);

}  // namespace smaster::fleet
