// Basic types, distinct so that an id cannot be passed where a count is expected.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace smaster {

using Millis = std::chrono::milliseconds;

/// Wall-clock time in whole milliseconds since the Unix epoch, as used on the wire.
using Time = std::chrono::sys_time<Millis>;

/// Monotonic time, for timeouts.
using Instant = std::chrono::steady_clock::time_point;

[[nodiscard]] constexpr Time from_unix_ms(std::int64_t ms) { return Time{Millis{ms}}; }
[[nodiscard]] constexpr std::int64_t to_unix_ms(Time time) { return time.time_since_epoch().count(); }

/// A Discord shard id: 0 … count − 1. Negative values are commands on the wire (WIRE.md).
struct ShardId {
  std::int32_t value = -1;
  auto operator<=>(const ShardId&) const = default;
  [[nodiscard]] constexpr bool bound() const { return value >= 0; }
};
inline constexpr ShardId kNoShard{-1};  ///< unset; in an `update`: stop the bot

/// The number of shards that the bot is divided into; −1: unknown or none.
struct ShardCount {
  std::int32_t value = -1;
  auto operator<=>(const ShardCount&) const = default;
  [[nodiscard]] constexpr bool known() const { return value >= 0; }
};
inline constexpr ShardCount kNoCount{-1};

/// The name of a shard, which its key belongs to: three or more letters a–z.
class ShardName {
 public:
  /// Maximum length; generated names have 3 letters, and existing registries have no long ones.
  static constexpr std::size_t kMaxLength = 64;

  /// nullopt if `text` does not match `[a-z]{3,}` or is too long.
  [[nodiscard]] static std::optional<ShardName> parse(std::string_view text) {
    if (text.size() < 3 || text.size() > kMaxLength) return std::nullopt;
    for (const char c : text) {
      if (c < 'a' || c > 'z') return std::nullopt;
    }
    return ShardName(std::string(text));
  }

  /// Also accepts the name of a further process of a shard: "abc" is the first, "abc-1" the second.
  [[nodiscard]] static std::optional<ShardName> parse_seat(std::string_view text) {
    const auto dash = text.find('-');
    auto name = parse(text.substr(0, dash));
    if (!name || dash == std::string_view::npos) return name;
    int process = 0;
    for (const char c : text.substr(dash + 1)) {
      if (c < '0' || c > '9' || process > kMaxProcess) return std::nullopt;
      process = process * 10 + (c - '0');
    }
    auto seat = name->process(process);
    return seat.str() == text ? std::optional(std::move(seat)) : std::nullopt;
  }

  /// The name of process `number`, from 0; process 0 has the shard's own name.
  static constexpr int kMaxProcess = 255;
  [[nodiscard]] ShardName process(int number) const {
    const auto own = text_.substr(0, text_.find('-'));
    return ShardName(number > 0 && number <= kMaxProcess ? own + '-' + std::to_string(number) : own);
  }

  /// True for all processes of a shard but the first.
  [[nodiscard]] bool is_further() const { return text_.find('-') != std::string::npos; }

  [[nodiscard]] const std::string& str() const { return text_; }
  bool operator==(const ShardName&) const = default;
  /// Shorter names first, then alphabetical: the order of generation.
  std::strong_ordering operator<=>(const ShardName& other) const {
    if (auto by_length = text_.size() <=> other.text_.size(); std::is_neq(by_length)) return by_length;
    return text_ <=> other.text_;
  }

 private:
  explicit ShardName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace smaster

template <>
struct std::hash<smaster::ShardName> {
  std::size_t operator()(const smaster::ShardName& name) const noexcept {
    return std::hash<std::string>{}(name.str());
  }
};
