// The assignment of a bot process: shard ids of one generation, which is identified by its count.
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
  std::vector<ShardId> ids;  ///< ascending, unique; usually one
  ShardCount count;

  Assignment() = default;
  /// An assignment with one id; an unbound id makes an unbound assignment.
  Assignment(ShardId id, ShardCount count_);
  Assignment(std::vector<ShardId> ids_, ShardCount count_) : ids(std::move(ids_)), count(count_) {}

  /// False for an assignment that runs nothing.
  [[nodiscard]] bool bound() const { return !ids.empty(); }
  /// The first id, which represents the assignment where only one id fits (WIRE.md); kNoShard if unbound.
  [[nodiscard]] ShardId first() const { return ids.empty() ? kNoShard : ids.front(); }
  [[nodiscard]] bool has(ShardId id) const;
  bool operator==(const Assignment&) const = default;
};

[[nodiscard]] boost::json::array ids_json(const Assignment& assignment);
/// "4", "4,5,6", or "-1" for an unbound assignment.
[[nodiscard]] std::string ids_text(const Assignment& assignment);
/// Ids in words, for people: "0-3, 7".
[[nodiscard]] std::string id_ranges(std::vector<ShardId> ids);
/// Text for the store, such as "1/4 2,3/8".
[[nodiscard]] std::string to_text(const std::vector<Assignment>& assignments);
[[nodiscard]] std::vector<Assignment> parse_assignments(std::string_view text);

/// The names of an assignment's JSON fields: the two of WIRE.md, and the list, which is used only for several
/// ids.
struct AssignmentFields {
  std::string_view id;
  std::string_view ids;
  std::string_view count;
};
inline constexpr AssignmentFields kGoalFields{"goalShardId", "goalShardIds", "goalShardCount"};
inline constexpr AssignmentFields kCurrentFields{"currentShardId", "currentShardIds", "currentShardCount"};
inline constexpr AssignmentFields kUpdateFields{"id", "ids", "count"};

/// The parts of an assignment in a message; missing parts keep their value.
struct AssignmentParts {
  std::optional<std::int64_t> id;
  std::optional<std::int64_t> count;
  std::optional<std::vector<std::int64_t>> ids;
  void apply_to(Assignment& assignment) const;
};

/// Fields of the wrong type are ignored.
void read(const boost::json::object& from, const AssignmentFields& fields, Assignment& assignment);
/// Adds the list field if there are several ids. The caller writes the other two fields.
void add_ids(const Assignment& assignment, const AssignmentFields& fields, boost::json::object& to);

}  // namespace smaster::fleet
