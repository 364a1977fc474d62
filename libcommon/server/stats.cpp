#include "server/stats.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "net/clock.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {

namespace {

/// Who waits to log in, and what Discord allows.
boost::json::object identify_json(const fleet::IdentifyQueue& queue, const fleet::IdentifyLimits& limits,
                                  Time now) {
  const auto in = [now](const std::optional<Time>& at) {
    return at ? boost::json::value(std::max<std::int64_t>((*at - now).count(), 0))
              : boost::json::value(nullptr);
  };
  return {
      {"waiting", queue.waiting()},
      {"next_in_ms", in(queue.next(now))},
      {"all_started_in_ms", in(queue.all_started(now))},
      {"max_concurrency", limits.max_concurrency},
      {"remaining", limits.remaining ? boost::json::value(*limits.remaining) : boost::json::value(nullptr)},
      {"reserve", limits.reserve},
      {"reset_in_ms", in(limits.reset_at)}};
}

}  // namespace

boost::json::object to_json(const fleet::Progress& progress) {
  return {
      {"up", progress.up}, {"placed", progress.placed}, {"moving", progress.moving}, {"old", progress.old}};
}

boost::json::object reshard_json(Core& core) {
  const auto progress = core.fleet.progress();
  if (progress.old == 0 && !core.fleet.rebalancing()) return {};
  auto object = to_json(progress);
  object["count"] = core.fleet.goal().value;
  object["strategy"] = fleet::to_string(core.fleet.target().strategy);
  object["spares"] = progress.spares;
  object["rebalancing"] = core.fleet.rebalancing();
  return object;
}

boost::json::object counts_json(Core& core, std::optional<std::size_t> clients) {
  const auto now = net::fleet_clock();
  std::int64_t current = 0;
  std::int64_t known = 0;
  std::int64_t registered = 0;
  std::int64_t configured = 0;
  for (const auto& [name, shard] : core.fleet.shards()) {
    if (shard.info.is_master) continue;
    ++known;
    current += shard.connected ? 1 : 0;
    registered += shard.info.registered() ? 1 : 0;
    const bool right = core.fleet.state(shard) == "running" && shard.info.goal.count == core.fleet.goal();
    configured += right ? static_cast<std::int64_t>(shard.info.goal.ids.size()) : 0;
  }
  const auto uptime = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - core.started);
  boost::json::object counts{{"goal", core.fleet.goal().value},
                             {"current", current},
                             {"known", known},
                             {"registered", registered},
                             {"configured", configured}};
  if (clients) counts["clients"] = *clients;
  if (auto trouble = core.descriptors.trouble(); !trouble.empty()) counts["connections_trouble"] = trouble;
  counts["uptime_ms"] = uptime.count();
  if (const auto reshard = reshard_json(core); !reshard.empty()) counts["reshard"] = reshard;
  // Only where Discord was asked: otherwise nobody waits.
  const auto& queue = core.fleet.identify();
  if (queue.limits()) counts["identify"] = identify_json(queue, *queue.limits(), now);
  return counts;
}

boost::json::object stats_json(Core& core, std::size_t clients) {
  const auto now = net::fleet_clock();
  boost::json::array shards;
  for (const auto& [name, shard] : core.fleet.shards()) {
    auto row = fleet::to_json(shard.info);
    row["state"] = core.fleet.state(shard);
    row["connected"] = shard.connected;
    row["address"] = shard.session != nullptr ? boost::json::value(shard.session->address()) : nullptr;
    if (const auto until = shard.parked ? core.fleet.parked_until(shard) : std::nullopt) {
      row["parkedUntil"] = to_unix_ms(*until);
    }
    const auto& other = shard.duplicate;
    const bool duplicate = other && now - other->seen <= fleet::kDuplicateShown;
    row["duplicate"] = duplicate;
    if (duplicate) {
      row["duplicateHost"] = other->machine;
      row["duplicateAddress"] = other->address;
      row["duplicateRefused"] = other->refused;
    }
    row["stats"] = shard.status ? boost::json::value(fleet::to_json(*shard.status)) : nullptr;
    shards.push_back(std::move(row));
  }
  auto stats = counts_json(core, clients);
  stats["shards"] = std::move(shards);
  return stats;
}

}  // namespace smaster::server
