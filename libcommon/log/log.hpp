// Logging: one line per event, as text, as JSON, or for the journal; and rate-limited events of shards, since
// thousands may report the same at once. Lines go to stderr by spdlog, whose formatters escape all text
// (base/outlet.hpp): callers may log any text.
#pragma once

#include <spdlog/common.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace smaster::log {

enum class Format { text, json };
[[nodiscard]] std::optional<Format> parse_format(std::string_view text);
[[nodiscard]] std::string_view to_string(Format format);

/// "debug", "info", "warn" or "error"; nullopt for other texts.
[[nodiscard]] std::optional<spdlog::level::level_enum> parse_level(std::string_view text);
[[nodiscard]] std::string level();

/// Starts logging to stderr. If that is systemd's journal, text lines have priorities and no times, which the
/// journal adds.
void set_up(Format format, spdlog::level::level_enum level);

/// The subject of a line; separate fields in JSON.
struct About {
  std::string_view event;  ///< one word, which defines the kind for the rate limit
  std::string_view shard;
  std::optional<ShardId> id;
  std::string_view address;
};

/// Logs a line about one shard. Limited to 100 lines per 10 s and kind, then a count. Only for the thread of
/// the event loop.
void shard(spdlog::level::level_enum level, const About& about, std::string_view text);

/// Logs the counts of suppressed lines whose interval is over. Call about every second.
void say_held_back(Instant now);

}  // namespace smaster::log
