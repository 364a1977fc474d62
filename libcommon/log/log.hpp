// Logging: one line an event, as text, as JSON, or as the journal takes it; and events of shards, which a
// thousand of them may have at once. Lines end up on stderr, by spdlog, whose formatters pass every line
// through its outlet (base/outlet.hpp): whoever logs may put any text into it.
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

/// "debug", "info", "warn" or "error"; nothing for anything else.
[[nodiscard]] std::optional<spdlog::level::level_enum> parse_level(std::string_view text);
[[nodiscard]] std::string level();

/// Logs to stderr from now on. Text goes to systemd's journal, if that is where stderr leads, with priorities
/// and without times, which it has itself.
void set_up(Format format, spdlog::level::level_enum level);

/// What a line is about; JSON has it in fields of its own.
struct About {
  std::string_view event;  ///< one word: lines with the same are of one kind
  std::string_view shard;
  std::optional<ShardId> id;
  std::string_view address;
};

/// A line about one shard. Of one kind only so many are written in a while; how many more there were is said
/// afterwards. For the thread that owns the state.
void shard(spdlog::level::level_enum level, const About& about, std::string_view text);

/// Says what was held back, when its while is over. Call every second or so.
void say_held_back(Instant now);

}  // namespace smaster::log
