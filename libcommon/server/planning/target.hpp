// The target shard count, the drained hosts and Discord's limits, as values and as text in the store.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "fleet/identify.hpp"
#include "fleet/planner.hpp"

namespace smaster::server {

/// The target shard count, and the strategy to reach it.
struct Target {
  ShardCount count;
  fleet::Strategy strategy = fleet::Strategy::at_once;
  std::string setting;       ///< the value of [shards] count when this was set
  bool by_operator = false;  ///< set by command: valid until the setting changes
  bool operator==(const Target&) const = default;
};

/// Text for the store; nullopt if it cannot be parsed.
[[nodiscard]] std::string to_text(const Target& target);
[[nodiscard]] std::optional<Target> parse_target(const std::string& text);

/// The same for the labels of drained hosts; none if the text cannot be parsed.
[[nodiscard]] std::string to_text(const std::set<std::string>& drained);
[[nodiscard]] std::set<std::string> parse_drained(const std::string& text);

/// The same for Discord's limits.
[[nodiscard]] std::string to_text(const fleet::IdentifyLimits& limits);
[[nodiscard]] std::optional<fleet::IdentifyLimits> parse_limits(const std::string& text);

}  // namespace smaster::server
