#include "server/stats.hpp"

#include <boost/json/array.hpp>

#include "net/clock.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {

boost::json::object stats_json(Core& core, std::size_t clients) {
  const auto now = net::wall_clock();
  std::int64_t current = 0;
  std::int64_t known = 0;
  std::int64_t registered = 0;
  std::int64_t configured = 0;
  boost::json::array shards;
  for (const auto& [name, shard] : core.fleet.shards()) {
    const auto state = state_word(shard, core.settings, now);
    if (!shard.info.is_master) {
      ++known;
      current += shard.joined ? 1 : 0;
      registered += shard.info.registered() ? 1 : 0;
      configured += state == "running" ? 1 : 0;
    }
    auto row = fleet::to_json(shard.info);
    row["state"] = state;
    row["connected"] = shard.joined;
    row["address"] = shard.session != nullptr ? boost::json::value(shard.session->address()) : nullptr;
    row["stats"] = shard.status ? boost::json::value(fleet::to_json(*shard.status)) : nullptr;
    shards.push_back(std::move(row));
  }
  const auto uptime = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - core.started);
  return {{"goal", core.fleet.goal().value}, {"current", current},         {"known", known},
          {"registered", registered},        {"configured", configured},   {"clients", clients},
          {"uptime_ms", uptime.count()},     {"shards", std::move(shards)}};
}

boost::json::object history_json(Core& core, Time since, const std::vector<ShardName>& names) {
  boost::json::object history;
  const auto add = [&](const ShardName& name) {
    boost::json::array samples;
    core.fleet.history().each(name, since, [&](const fleet::ShardStatus& sample) {
      auto row = fleet::to_json(sample);
      row["id"] = name.str();
      row.erase("cpus");  // not kept in history
      samples.push_back(std::move(row));
    });
    history[name.str()] = std::move(samples);
  };
  if (names.empty()) {
    for (const auto& [name, shard] : core.fleet.shards()) add(name);
  }
  for (const auto& name : names) add(name);
  return history;
}

}  // namespace smaster::server
