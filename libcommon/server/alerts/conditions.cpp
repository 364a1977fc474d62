#include "server/alerts/conditions.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

using Ids = std::vector<ShardId>;

constexpr Millis kUnwellPatience{60'000};
constexpr Millis kClockOff{60'000};
constexpr std::size_t kShownRanges = 200;  ///< bytes

bool contains(const Ids& sorted, ShardId id) { return std::binary_search(sorted.begin(), sorted.end(), id); }

struct HostIds {
  Ids all;
  Ids dead;              ///< sorted before they are searched
  Ids down;              ///< of the others, without a running bot for a while
  std::size_t away = 0;  ///< of shards without a connection
};

/// What one walk over the shards finds.
struct Findings {
  std::map<std::string, HostIds> hosts;                        ///< by label; "" for shards without one
  std::map<std::string, std::pair<std::string, Ids>> by_kind;  ///< key: words and ids
  std::vector<AlertCondition> single;
  Ids dead;
};

/// "id 3 …" or "4 ids (3-6) …", with `what`.
AlertCondition about_ids(std::string key, Ids ids, const std::string& what, Millis patience) {
  std::sort(ids.begin(), ids.end());
  auto ranges = fleet::id_ranges(ids);
  if (ranges.size() > kShownRanges) ranges = ranges.substr(0, ranges.rfind(',', kShownRanges)) + ", …";
  AlertCondition condition{std::move(key), "", patience};
  condition.text =
      (ids.size() == 1 ? "id " + ranges : std::to_string(ids.size()) + " ids (" + ranges + ')') + ' ' + what;
  condition.ids = std::move(ids);
  return condition;
}

void add_clock(Findings& findings, const Shard& shard) {
  if (!shard.status || shard.status_at == Instant{} || shard.status->timestamp == fleet::kNever) return;
  const auto age = std::chrono::duration_cast<Millis>(net::now() - shard.status_at);
  const auto ahead = shard.status->timestamp - (net::wall_clock() - age);
  if (std::chrono::abs(ahead) < kClockOff) return;
  const auto host =
      shard.info.host.empty() ? "of shard " + shard.info.id.str() : "of host " + shard.info.host;
  AlertCondition condition{
      "clock " + host,
      "the clock " + host + " is off by " +
          format_duration(std::chrono::floor<std::chrono::seconds>(std::chrono::abs(ahead))) +
          (ahead > Millis{0} ? " (ahead)" : " (behind)") + ": set it by NTP"};
  condition.host = shard.info.host;
  for (const auto& known : findings.single) {
    if (known.key == condition.key) return;
  }
  if (findings.single.size() < 100) findings.single.push_back(std::move(condition));
}

void add_shard(Findings& findings, const Shard& shard, std::string_view state) {
  const auto& ids = shard.info.goal.ids;
  auto& host = findings.hosts[shard.info.host];
  host.all.insert(host.all.end(), ids.begin(), ids.end());
  if (state == "dead" || state == "offline") host.away += ids.size();
  if (state == "dead") {
    host.dead.insert(host.dead.end(), ids.begin(), ids.end());
    findings.dead.insert(findings.dead.end(), ids.begin(), ids.end());
  }
  const auto add = [&](const char* key, const char* words) {
    auto& [text, found] = findings.by_kind[key];
    text = words;
    found.insert(found.end(), ids.begin(), ids.end());
  };
  if (state == "parked" || state == "crashing")
    add("parked", "whose bots fail again and again: look at their output");
  if (state == "refused")
    add("refused", "whose bots are refused by Discord: look at \"smaster stats --state refused\"");
  if (state == "deaf" || state == "hung" || state == "disconnected" || state == "silent") {
    add("unwell", "whose bots run without a working connection: deaf, hung, disconnected or silent");
  }
  if (shard.duplicate && !shard.duplicate->refused &&
      net::fleet_clock() - shard.duplicate->seen <= fleet::kDuplicateShown) {
    AlertCondition condition{"duplicate " + shard.info.id.str(),
                             "the config of shard " + shard.info.id.str() + " is used twice"};
    condition.host = shard.info.host;
    condition.ids = ids;
    condition.runs = true;
    condition.told_by_event = true;
    if (findings.single.size() < 100) findings.single.push_back(std::move(condition));
  }
  add_clock(findings, shard);
}

/// Ids without a bot: of the whole fleet, else of each host. `down`: without a running bot for a while;
/// `length`: how long that is. Dead ids come at once.
void add_down(std::vector<AlertCondition>& conditions, Findings& findings, const Directory& directory,
              const Ids& down, std::size_t goal, const std::string& length) {
  std::size_t missing = findings.dead.size();
  for (const auto id : down) missing += contains(findings.dead, id) ? 0 : 1;
  if (missing == 0) return;
  if (missing >= goal && goal > 1) {
    conditions.push_back(
        {"fleet", "the whole fleet is down: none of its " + std::to_string(goal) + " ids has a running bot"});
    for (std::size_t id = 0; id < goal; ++id) {
      conditions.back().ids.push_back(ShardId{static_cast<std::int32_t>(id)});
    }
    return;
  }
  Ids homeless;
  for (const auto id : down) {
    const auto* const shard = directory.holder(id);
    if (shard == nullptr) {
      homeless.push_back(id);
    } else if (auto& host = findings.hosts[shard->info.host]; !contains(host.dead, id)) {
      host.down.push_back(id);
    }
  }
  const auto add = [&](std::string key, Ids ids, const std::string& label, const char* one,
                       const char* many) {
    if (ids.empty()) return;
    const auto what = (ids.size() == 1 ? one : many) + (label.empty() ? "" : " on host " + label);
    conditions.push_back(about_ids(std::move(key), std::move(ids), what, Millis{0}));
    conditions.back().host = label;
  };
  const auto has = "has had no running bot for " + length + " or more";
  const auto have = "have had no running bot for " + length + " or more";
  for (auto& [label, host] : findings.hosts) {
    if (!label.empty() && host.dead.size() + host.down.size() == host.all.size() &&
        host.away == host.all.size()) {
      auto condition = about_ids("host " + label, std::move(host.all), "", Millis{0});
      condition.text = "host " + label + " is down: " + condition.text + "without a connected shard";
      condition.host = label;
      conditions.push_back(std::move(condition));
      continue;
    }
    add("dead " + label, std::move(host.dead), label, "is dead: its shard has been away too long",
        "are dead: their shards have been away too long");
    add("down " + label, std::move(host.down), label, has.c_str(), have.c_str());
  }
  add("down", std::move(homeless), "", has.c_str(), have.c_str());
}

}  // namespace

net::Task<std::vector<AlertCondition>> Conditions::look() {
  Findings findings;
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  const auto goal = parts_.directory.goal();
  std::vector<bool> up(static_cast<std::size_t>(std::max(goal.value, 0)));
  co_await in_slices(parts_.directory.shards(), slice, [&](const auto& entry) {
    const Shard& shard = entry.second;
    if (shard.info.is_master || !shard.info.goal.bound()) return;
    const auto state = parts_.plans.state(shard);
    add_shard(findings, shard, state);
    if (state != "running" || shard.info.goal.count != goal) return;
    for (const auto id : shard.info.goal.ids) {
      if (static_cast<std::size_t>(id.value) < up.size()) up[static_cast<std::size_t>(id.value)] = true;
    }
  });
  slice.end();

  const auto now = net::fleet_clock();
  Ids down;
  ids_ = up.size();
  std::erase_if(down_since_,
                [&](const auto& entry) { return static_cast<std::size_t>(entry.first) >= up.size(); });
  for (std::size_t id = 0; id < up.size(); ++id) {
    const auto key = static_cast<std::int32_t>(id);
    if (up[id]) {
      down_since_.erase(key);
    } else if (now - down_since_.try_emplace(key, now).first->second >=
               parts_.settings.alerts.id_down_after) {
      down.push_back(ShardId{key});
    }
  }

  auto conditions = std::move(findings.single);
  // Those have conditions of their own.
  Ids told;
  for (auto& [key, found] : findings.by_kind)
    told.insert(told.end(), found.second.begin(), found.second.end());
  std::sort(told.begin(), told.end());
  std::erase_if(down, [&told](ShardId id) { return contains(told, id); });
  std::sort(findings.dead.begin(), findings.dead.end());
  for (auto& [label, host] : findings.hosts) std::sort(host.dead.begin(), host.dead.end());
  add_down(conditions, findings, parts_.directory, down, ids_,
           format_duration(parts_.settings.alerts.id_down_after));
  for (auto& [key, found] : findings.by_kind) {
    conditions.push_back(
        about_ids(key, std::move(found.second), found.first, key == "unwell" ? kUnwellPatience : Millis{0}));
    conditions.back().told_by_event = key != "unwell";
  }
  if (const auto& trouble = parts_.store.trouble(); !trouble.empty()) {
    conditions.push_back({"store", trouble});
    conditions.back().told_by_event = true;
  }
  if (auto trouble = parts_.descriptors.trouble(); !trouble.empty())
    conditions.push_back({"connections", std::move(trouble), kUnwellPatience});
  const auto& queue = parts_.sender.identify();
  if (const auto& limits = queue.limits(); limits && limits->remaining) {
    const auto waiting = static_cast<std::int64_t>(queue.waiting());
    if (waiting > 0 && *limits->remaining - limits->reserve < waiting) {
      conditions.push_back({"logins", std::to_string(waiting) + " bots wait to log in, and Discord permits " +
                                          std::to_string(*limits->remaining) +
                                          " logins until its day ends, of which " +
                                          std::to_string(limits->reserve) + " are reserved"});
    }
  }
  co_return conditions;
}

}  // namespace smaster::server
