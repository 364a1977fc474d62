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

struct Assignment {
  std::vector<ShardId> ids;  ///< ascending, none twice; nearly always one
  ShardCount count;

  Assignment() = default;
  /// One id; an unbound one makes an assignment that runs nothing.
  Assignment(ShardId id, ShardCount count_);
  Assignment(std::vector<ShardId> ids_, ShardCount count_) : ids(std::move(ids_)), count(count_) {}

  /// Whether it runs anything.
  [[nodiscard]] bool bound() const { return !ids.empty(); }
  /// The first id, which stands for all where there is room for one only (WIRE.md); kNoShard: none.
  [[nodiscard]] ShardId first() const { return ids.empty() ? kNoShard : ids.front(); }
  [[nodiscard]] bool has(ShardId id) const;
  bool operator==(const Assignment&) const = default;
};

[[nodiscard]] boost::json::array ids_json(const Assignment& assignment);
/// "4", "4,5,6", or "-1" for none.
[[nodiscard]] std::string ids_text(const Assignment& assignment);
/// Assignments as text, "1/4 2,3/8", for the store.
[[nodiscard]] std::string to_text(const std::vector<Assignment>& assignments);
[[nodiscard]] std::vector<Assignment> parse_assignments(std::string_view text);

/// The names of an assignment's JSON fields: WIRE.md's two, and the list that only several ids need.
struct AssignmentFields {
  std::string_view id;
  std::string_view ids;
  std::string_view count;
};
inline constexpr AssignmentFields kGoalFields{"goalShardId", "goalShardIds", "goalShardCount"};
inline constexpr AssignmentFields kCurrentFields{"currentShardId", "currentShardIds", "currentShardCount"};
inline constexpr AssignmentFields kUpdateFields{"id", "ids", "count"};

/// What a message says of an assignment; what it does not say stays as it was.
struct AssignmentParts {
  std::optional<std::int64_t> id;
  std::optional<std::int64_t> count;
  std::optional<std::vector<std::int64_t>> ids;
  void apply_to(Assignment& assignment) const;
};

/// Fields of the wrong type keep what the assignment had.
void read(const boost::json::object& from, const AssignmentFields& fields, Assignment& assignment);
/// Adds the list, where there are several ids; the other two fields have their own places.
void add_ids(const Assignment& assignment, const AssignmentFields& fields, boost::json::object& to);

}  // namespace smaster::fleet
