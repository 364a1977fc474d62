// Which shards of the server's statistics are shown, and in which order.
#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace smaster::control {

/// Keeps the shards that have an id of these; a master shard has none.
void keep_shards(boost::json::object& stats, const std::set<std::int64_t>& ids);

/// Keeps the shards in one of these states.
void keep_states(boost::json::object& stats, const std::set<std::string, std::less<>>& states);

/// What shards can be sorted by.
[[nodiscard]] std::span<const std::string_view> sort_keys();

/// By `key`: names, states and ids upwards, amounts and what was seen last downwards, what is not known
/// last; `reverse` turns that round. Equal ones are in the order of ids, master shards last.
void sort_shards(boost::json::object& stats, std::string_view key, bool reverse);

/// Every state that a shard can be in.
[[nodiscard]] std::span<const std::string_view> shard_states();

/// What the shards' fields are, for whoever shows them. Missing ones are null.
[[nodiscard]] const boost::json::value* status_field(const boost::json::object& shard, std::string_view key);
[[nodiscard]] const boost::json::value* bot_field(const boost::json::object& shard, std::string_view key);

/// A number, or 0.
[[nodiscard]] double number(const boost::json::value* value);
/// The mean of an array of numbers, or 0.
[[nodiscard]] double mean(const boost::json::value* value);
/// The ids that the shard shall run, or its goal's only one.
[[nodiscard]] std::vector<std::int64_t> ids_of(const boost::json::object& shard);

}  // namespace smaster::control
