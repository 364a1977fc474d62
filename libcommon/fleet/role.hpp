// What a bot process runs as: shard ids of one generation, which its count names.
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
  std::vector<ShardId> ids;  ///< ascending, none twice; nearly always one
  ShardCount count;

  Role() = default;
  /// One id; an unbound one makes a role that runs nothing.
  Role(ShardId id, ShardCount count_);
  Role(std::vector<ShardId> ids_, ShardCount count_) : ids(std::move(ids_)), count(count_) {}

  /// Whether it runs anything.
  [[nodiscard]] bool bound() const { return !ids.empty(); }
  /// The first id, which stands for all where there is room for one only (WIRE.md); kNoShard: none.
  [[nodiscard]] ShardId first() const { return ids.empty() ? kNoShard : ids.front(); }
  [[nodiscard]] bool has(ShardId id) const;
  bool operator==(const Role&) const = default;
};

[[nodiscard]] boost::json::array ids_json(const Role& role);
/// "4", "4,5,6", or "-1" for none.
[[nodiscard]] std::string ids_text(const Role& role);
/// Roles as text, "1/4 2,3/8", for the store.
[[nodiscard]] std::string to_text(const std::vector<Role>& roles);
[[nodiscard]] std::vector<Role> parse_roles(std::string_view text);

/// The names of a role's JSON fields: WIRE.md's two, and the list that only several ids need.
struct RoleFields {
  std::string_view id;
  std::string_view ids;
  std::string_view count;
};
inline constexpr RoleFields kGoalFields{"goalShardId", "goalShardIds", "goalShardCount"};
inline constexpr RoleFields kCurrentFields{"currentShardId", "currentShardIds", "currentShardCount"};
inline constexpr RoleFields kUpdateFields{"id", "ids", "count"};

/// What a message says of a role; what it does not say stays as it was.
struct RoleParts {
  std::optional<std::int64_t> id;
  std::optional<std::int64_t> count;
  std::optional<std::vector<std::int64_t>> ids;
  void apply_to(Role& role) const;
};

/// Fields of the wrong type keep what the role had.
void read(const boost::json::object& from, const RoleFields& fields, Role& role);
/// Adds the list, where there are several ids; the other two fields have their own places.
void add_ids(const Role& role, const RoleFields& fields, boost::json::object& to);

}  // namespace smaster::fleet
