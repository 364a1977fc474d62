// The count that the fleet is to have, and what Discord allows: as values, and as the store has them.
#pragma once

#include <optional>
#include <string>

#include "fleet/identify.hpp"
#include "fleet/planner.hpp"

namespace smaster::server {

/// The count that the fleet is to have, and how it gets there.
struct Target {
  ShardCount count;
  fleet::Strategy strategy = fleet::Strategy::at_once;
  std::string setting;       ///< what [shards] count said when it was made
  bool by_operator = false;  ///< asked for by command: holds until the setting is changed
  bool operator==(const Target&) const = default;
};

/// As the store has it.
[[nodiscard]] std::string to_text(const Target& target);
[[nodiscard]] std::optional<Target> parse_target(const std::string& text);

/// The same of what Discord allows.
[[nodiscard]] std::string to_text(const fleet::IdentifyLimits& limits);
[[nodiscard]] std::optional<fleet::IdentifyLimits> parse_limits(const std::string& text);

}  // namespace smaster::server
