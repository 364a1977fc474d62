// Selects and sorts the shards of the server's statistics.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::control {

/// Keeps the shards for which this is true.
void keep_if(boost::json::object& stats, const std::function<bool(const boost::json::object&)>& keep);

/// Keeps the shards that have one of these ids. A master shard has none.
void keep_shards(boost::json::object& stats, const std::set<std::int64_t>& ids);

/// Keeps the shards in one of these states.
void keep_states(boost::json::object& stats, const std::set<std::string, std::less<>>& states);

/// The valid keys for sort_shards.
[[nodiscard]] std::span<const std::string_view> sort_keys();

/// The indices of the shards, sorted by `key`: names, states and ids ascending, amounts, times and troubles
/// descending, unknown values last; `reverse` inverts that. Ties are sorted by id, master shards last.
[[nodiscard]] std::vector<std::size_t> sorted_order(const boost::json::array& shards, std::string_view key,
                                                    bool reverse);
/// Sorts the shards themselves.
void sort_shards(boost::json::object& stats, std::string_view key, bool reverse);

/// How urgently an operator is needed: 0 for a shard that runs, at least kTrouble for one in trouble; the
/// greatest for an id that nothing serves.
[[nodiscard]] double severity(const boost::json::object& shard);
inline constexpr double kTrouble = 100;

/// All states that a shard can have, the most severe last.
[[nodiscard]] std::span<const std::string_view> shard_states();

/// Fields of a shard's last status, or of its `bot`; null if missing.
[[nodiscard]] const boost::json::value* status_field(const boost::json::object& shard, std::string_view key);
[[nodiscard]] const boost::json::value* bot_field(const boost::json::object& shard, std::string_view key);

/// The CPU that the shard uses, in cores: its bot's, else what a shard without an agent says. nullopt:
/// unknown.
[[nodiscard]] std::optional<double> cpu_of(const boost::json::object& shard);

/// The characters of a text; none for other values.
[[nodiscard]] std::string_view text(const boost::json::value* value);
/// The value of a number; 0 for other values.
[[nodiscard]] double number(const boost::json::value* value);
/// The mean of an array of numbers; 0 for other values.
[[nodiscard]] double mean(const boost::json::value* value);
/// The ids that the shard is to run ("goal") or says that it runs ("current"); if there is no list, its
/// single one.
[[nodiscard]] std::vector<std::int64_t> ids_of(const boost::json::object& shard,
                                               const std::string& which = "goal");

}  // namespace smaster::control
