// The role of a bot process: shard ids of one generation, which is identified by its count.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

struct Role {
  std::vector<ShardId> ids;  ///< ascending, unique; usually one
  ShardCount count;

  Role() = default;
  /// A role with one id; an unbound id makes an unbound role.
  Role(ShardId id, ShardCount count_);
  Role(std::vector<ShardId> ids_, ShardCount count_) : ids(std::move(ids_)), count(count_) {}

  /// False for a role that runs nothing.
  [[nodiscard]] bool bound() const { return !ids.empty(); }
  /// The first id, which represents the role where only one id fits (WIRE.md); kNoShard if unbound.
  [[nodiscard]] ShardId first() const { return ids.empty() ? kNoShard : ids.front(); }
  [[nodiscard]] bool has(ShardId id) const;
  bool operator==(const Role&) const = default;
};

[[nodiscard]] boost::json::array ids_json(const Role& role);
/// "4", "4,5,6", or "-1" for an unbound role.
[[nodiscard]] std::string ids_text(const Role& role);
/// Text for the store, such as "1/4 2,3/8".
[[nodiscard]] std::string to_text(const std::vector<Role>& roles);
[[nodiscard]] std::vector<Role> parse_roles(std::string_view text);

/// The names of a role's JSON fields: the two of WIRE.md, and the list, which is used only for several ids.
struct RoleFields {
  std::string_view id;
  std::string_view ids;
  std::string_view count;
};
inline constexpr RoleFields kGoalFields{"goalShardId", "goalShardIds", "goalShardCount"};
inline constexpr RoleFields kCurrentFields{"currentShardId", "currentShardIds", "currentShardCount"};
inline constexpr RoleFields kUpdateFields{"id", "ids", "count"};

/// The parts of a role in a message; missing parts keep their value.
struct RoleParts {
  std::optional<std::int64_t> id;
  std::optional<std::int64_t> count;
  std::optional<std::vector<std::int64_t>> ids;
  void apply_to(Role& role) const;
};

/// Fields of the wrong type are ignored.
void read(const boost::json::object& from, const RoleFields& fields, Role& role);
/// Adds the list field if there are several ids. The caller writes the other two fields.
void add_ids(const Role& role, const RoleFields& fields, boost::json::object& to);

}  // namespace smaster::fleet
