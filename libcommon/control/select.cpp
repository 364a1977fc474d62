#include "control/select.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <optional>
#include <vector>

#include "control/render.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace bj = boost::json;

constexpr std::string_view kKeys[] = {"shard", "name",   "state",    "seen",   "ping",
                                      "cpu",   "memory", "messages", "deaths", "trouble"};
constexpr std::string_view kStates[] = {
    "running", "logging in", "starting",     "queued",  "spare",    "drained", "new",     "silent",
    "deaf",    "hung",       "disconnected", "refused", "crashing", "parked",  "offline", "dead"};
/// The first state of those that an operator should look at.
constexpr std::string_view kFirstTrouble = "silent";

bool is_master(const bj::object& shard) {
  const auto* const master = shard.if_contains("isMaster");
  return master != nullptr && master->is_bool() && master->get_bool();
}

/// Sort key by id; shards without an id and the master come last.
double rank(const bj::object& shard) {
  const auto id = number(shard.if_contains("goalShardId"));
  return is_master(shard) ? 2e9 : id < 0 ? 1e9 : id;
}

/// The number to sort by; nullopt if unknown (−1 or missing).
std::optional<double> amount(const bj::object& shard, std::string_view key) {
  if (key == "seen") return number(shard.if_contains("lastSeen"));
  if (key == "cpu") return cpu_of(shard);
  if (key == "trouble") return severity(shard);
  const auto* const value = key == "ping"       ? status_field(shard, "ping")
                            : key == "memory"   ? status_field(shard, "memRSS")
                            : key == "messages" ? status_field(shard, "messageCountTotal")
                                                : bot_field(shard, "deaths");
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto found = value->is_array() ? mean(value) : number(value);
  return found < 0 ? std::nullopt : std::optional(found);
}

}  // namespace

std::span<const std::string_view> sort_keys() { return kKeys; }
std::span<const std::string_view> shard_states() { return kStates; }

std::string_view text(const bj::value* value) {
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

double number(const bj::value* value) {
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

double mean(const bj::value* value) {
  if (value == nullptr || !value->is_array() || value->get_array().empty()) return 0;
  double sum = 0;
  for (const auto& element : value->get_array()) sum += number(&element);
  return sum / static_cast<double>(value->get_array().size());
}

std::vector<std::int64_t> ids_of(const bj::object& shard, const std::string& which) {
  const auto* const list = shard.if_contains(which + "ShardIds");
  if (list == nullptr || !list->is_array()) return {shard.at(which + "ShardId").to_number<std::int64_t>()};
  std::vector<std::int64_t> ids;
  for (const auto& id : list->get_array()) ids.push_back(id.to_number<std::int64_t>());
  return ids;
}

const bj::value* status_field(const bj::object& shard, std::string_view key) {
  const auto* const status = json::object_at(shard, "stats");
  return status == nullptr ? nullptr : status->if_contains(key);
}

const bj::value* bot_field(const bj::object& shard, std::string_view key) {
  const auto* const status = json::object_at(shard, "stats");
  const auto* const bot = status == nullptr ? nullptr : json::object_at(*status, "bot");
  return bot == nullptr ? nullptr : bot->if_contains(key);
}

void keep_if(bj::object& stats, const std::function<bool(const bj::object&)>& keep) {
  bj::array kept;
  for (auto& shard : stats.at("shards").as_array()) {
    if (keep(shard.as_object())) kept.push_back(std::move(shard));
  }
  stats["shards"] = std::move(kept);
}

void keep_shards(bj::object& stats, const std::set<std::int64_t>& ids) {
  keep_if(stats, [&](const bj::object& shard) {
    const auto own = ids_of(shard);
    return !is_master(shard) &&
           std::any_of(own.begin(), own.end(), [&](std::int64_t id) { return ids.contains(id); });
  });
}

void keep_states(bj::object& stats, const std::set<std::string, std::less<>>& states) {
  keep_if(stats, [&](const bj::object& shard) { return states.contains(text(shard.if_contains("state"))); });
}

double severity(const bj::object& shard) {
  // Among the troubles: of shards that no id waits for, and of those that run all the same.
  constexpr double kWithoutId = kTrouble;
  constexpr double kRunsInTrouble = kTrouble + 50;
  constexpr double kWithId = kTrouble + 100;
  const auto* const at = std::find(std::begin(kStates), std::end(kStates), text(shard.if_contains("state")));
  const auto place = static_cast<double>(at - std::begin(kStates));
  if (at < std::find(std::begin(kStates), std::end(kStates), kFirstTrouble)) {
    return shard_troubles(shard).empty() ? place : kRunsInTrouble;
  }
  if (number(shard.if_contains("goalShardId")) >= 0) return kWithId + place;
  const auto* const left = shard.if_contains("left");
  const bool wanted = left != nullptr && left->is_bool() && left->get_bool();
  return wanted ? 0.5 : kWithoutId + place;
}

std::vector<std::size_t> sorted_order(const bj::array& shards, std::string_view key, bool reverse) {
  struct Item {
    double rank;
    std::optional<double> amount;
    std::string_view text;
    std::size_t index;
  };
  const bool by_text = key == "name" || key == "state";
  const auto member = key == "name" ? "id" : "state";
  std::vector<Item> items;
  items.reserve(shards.size());
  for (const auto& each : shards) {
    const auto& shard = each.get_object();
    items.push_back({rank(shard), by_text || key == "shard" ? std::nullopt : amount(shard, key),
                     by_text ? text(shard.if_contains(member)) : std::string_view(), items.size()});
  }
  std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    if (a.text != b.text) return reverse ? a.text > b.text : a.text < b.text;
    if (a.amount != b.amount) {
      if (!a.amount || !b.amount) return a.amount.has_value();
      return reverse ? *a.amount < *b.amount : *a.amount > *b.amount;
    }
    if (a.rank != b.rank) return reverse && key == "shard" ? a.rank > b.rank : a.rank < b.rank;
    return a.index < b.index;
  });
  std::vector<std::size_t> order;
  order.reserve(items.size());
  for (const auto& item : items) order.push_back(item.index);
  return order;
}

void sort_shards(bj::object& stats, std::string_view key, bool reverse) {
  auto& shards = stats.at("shards").as_array();
  bj::array sorted;
  sorted.reserve(shards.size());
  for (const auto index : sorted_order(shards, key, reverse)) sorted.push_back(std::move(shards[index]));
  shards = std::move(sorted);
}

std::optional<double> cpu_of(const bj::object& shard) {
  if (const auto* const cpu = bot_field(shard, "cpu")) {
    return number(cpu) < 0 ? std::nullopt : std::optional(number(cpu));
  }
  const auto* const load = status_field(shard, "cpuLoad");
  return load == nullptr || load->is_null() ? std::nullopt : std::optional(mean(load));
}

}  // namespace smaster::control
