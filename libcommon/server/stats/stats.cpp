#include "server/stats/stats.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "control/render.hpp"
#include "control/select.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/fairness/slices.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {

namespace {

/// The queue of logins, and Discord's limits.
boost::json::object identify_json(const fleet::IdentifyQueue& queue, const fleet::IdentifyLimits& limits,
                                  Time now) {
  const auto in = [now](const std::optional<Time>& at) {
    return at ? boost::json::value(std::max<std::int64_t>((*at - now).count(), 0))
              : boost::json::value(nullptr);
  };
  return {
      {"waiting", queue.waiting()},
      {"next_needs", queue.next_needs()},
      {"next_in_ms", in(queue.next(now))},
      {"all_started_in_ms", in(queue.all_started(now))},
      {"max_concurrency", limits.max_concurrency},
      {"remaining", limits.remaining ? boost::json::value(*limits.remaining) : boost::json::value(nullptr)},
      {"reserve", limits.reserve},
      {"reset_in_ms", in(limits.reset_at)}};
}

}  // namespace

boost::json::object to_json(const fleet::Progress& progress) {
  return {{"up", progress.up},
          {"placed", progress.placed},
          {"moving", progress.moving},
          {"old", progress.old},
          {"refused", progress.refused}};
}

boost::json::object alert_json(const ActiveAlert& alert) {
  return {{"key", alert.key},
          {"text", alert.text},
          {"since", to_unix_ms(alert.since)},
          {"silenced", alert.silenced}};
}

boost::json::object reshard_json(const StatsParts& parts) {
  const auto progress = parts.plans.progress();
  if (progress.old == 0 && !parts.plans.rebalancing()) return {};
  auto object = to_json(progress);
  object["count"] = parts.directory.goal().value;
  object["strategy"] = fleet::to_string(parts.goal.target().strategy);
  object["spares"] = progress.spares;
  object["rebalancing"] = parts.plans.rebalancing();
  return object;
}

void ShardCounts::add(const StatsParts& parts, const Shard& shard, std::string_view state) {
  if (shard.info.is_master) return;
  ++known;
  ++states[state];
  current += shard.connected() ? 1 : 0;
  registered += shard.info.registered() ? 1 : 0;
  const bool right = state == "running" && shard.info.goal.count == parts.directory.goal();
  configured += right ? static_cast<std::int64_t>(shard.info.goal.ids.size()) : 0;
}

net::Task<ShardCounts> count_shards(const StatsParts& parts, Slice& slice) {
  ShardCounts counts;
  co_await in_slices(parts.directory.shards(), slice, [&parts, &counts](const auto& entry) {
    counts.add(parts, entry.second, parts.plans.state(entry.second));
  });
  co_return counts;
}

boost::json::object counts_json(const StatsParts& parts, const ShardCounts& counts,
                                std::optional<std::size_t> clients) {
  const auto uptime = std::chrono::duration_cast<Millis>(net::now() - parts.started);
  boost::json::object object{{"goal", parts.directory.goal().value},
                             {"current", counts.current},
                             {"known", counts.known},
                             {"registered", counts.registered},
                             {"configured", counts.configured}};
  boost::json::object states;
  for (const auto state : control::shard_states()) {
    const auto found = counts.states.find(state);
    states[state] = found == counts.states.end() ? 0 : found->second;
  }
  object["states"] = std::move(states);
  if (clients) object["clients"] = *clients;
  if (auto trouble = parts.descriptors.trouble(); !trouble.empty()) object["connections_trouble"] = trouble;
  boost::json::array alerts;
  for (const auto& each : parts.alerts.active()) alerts.push_back(alert_json(each));
  object["alerts"] = std::move(alerts);
  if (const auto troubles = parts.troubles ? parts.troubles() : std::vector<std::string>();
      !troubles.empty()) {
    object["troubles"] = boost::json::array(troubles.begin(), troubles.end());
  }
  object["uptime_ms"] = uptime.count();
  if (const auto reshard = reshard_json(parts); !reshard.empty()) object["reshard"] = reshard;
  if (const auto& drained = parts.goal.drained(); !drained.empty()) {
    object["drained"] = boost::json::array(drained.begin(), drained.end());
  }
  // Only if Discord's limits are known: otherwise no login waits.
  const auto& queue = parts.sender.identify();
  if (queue.limits()) object["identify"] = identify_json(queue, *queue.limits(), net::fleet_clock());
  return object;
}

namespace {

/// Ids that it was told to stop, and may still run.
boost::json::array held_ids(const fleet::ShardInfo& info) {
  std::set<ShardId> ids(info.current.ids.begin(), info.current.ids.end());
  for (const auto& earlier : info.may_run) ids.insert(earlier.ids.begin(), earlier.ids.end());
  boost::json::array array;
  for (const auto id : ids) array.push_back(id.value);
  return array;
}

/// True if another shard with the same config was seen recently.
bool is_duplicate(const Shard& shard) {
  return shard.duplicate && net::fleet_clock() - shard.duplicate->seen <= fleet::kDuplicateShown;
}

}  // namespace

boost::json::object row_json(const StatsParts& parts, const Shard& shard, bool stats) {
  auto row = fleet::to_json(shard.info);
  row["state"] = parts.plans.state(shard);
  row["connected"] = shard.connected();
  row["address"] = shard.session != nullptr ? boost::json::value(shard.session->address()) : nullptr;
  if (const auto until = shard.parked() ? parts.sender.parked_until(shard) : std::nullopt) {
    row["parkedUntil"] = to_unix_ms(*until);
  }
  if (!shard.info.goal.bound() && shard.connected() &&
      shard.must_stop_first(parts.plans.plan_settings().patience, net::fleet_clock())) {
    row["holds"] = held_ids(shard.info);
  }
  if (parts.goal.drained().contains(shard.info.host)) row["drained"] = true;
  if (shard.left()) row["left"] = true;
  row["duplicate"] = is_duplicate(shard);
  if (is_duplicate(shard)) {
    row["duplicateHost"] = shard.duplicate->machine;
    row["duplicateAddress"] = shard.duplicate->address;
    row["duplicateRefused"] = shard.duplicate->refused;
  }
  if (!stats) return row;
  row["stats"] = shard.status ? boost::json::value(fleet::to_json(*shard.status)) : nullptr;
  return row;
}

namespace {

/// `object` with a comma in place of its closing brace: more members follow.
std::string open_text(const boost::json::object& object) {
  auto text = json::serialize(object);
  text.back() = ',';
  return text;
}

void append_row(std::string& out, const StatsParts& parts, const Shard& shard) {
  out.append(open_text(row_json(parts, shard, false))).append("\"stats\":");
  out.append(shard.status ? fleet::to_text(*shard.status) : "null") += '}';
}

/// A shard's value of a gauge; nullopt if it is not known.
std::optional<double> figure(const StatsParts& parts, const Shard& shard, control::Figure what) {
  using control::Figure;
  using fleet::ShardStatus;
  const auto* const status = shard.status.get();
  const auto* const bot = status != nullptr && status->bot ? &*status->bot : nullptr;
  const auto of = [status](double ShardStatus::*amount) {
    return status == nullptr || status->*amount < 0 ? std::nullopt : std::optional(status->*amount);
  };
  switch (what) {
    case Figure::shard_id:
      return shard.info.goal.first().value;
    case Figure::connected:
      return shard.connected() ? 1 : 0;
    case Figure::last_seen:
      return static_cast<double>(to_unix_ms(shard.info.last_seen));
    case Figure::messages:
      return of(&ShardStatus::message_count_total);
    case Figure::heap_used:
      return of(&ShardStatus::mem_heap_used);
    case Figure::resident:
      return of(&ShardStatus::mem_rss);
    case Figure::cpu_load:
      return status == nullptr ? std::nullopt : std::optional(fleet::mean_load(*status));
    case Figure::ping:
      return of(&ShardStatus::ping);
    case Figure::storage_used:
      return of(&ShardStatus::storage_used_total);
    case Figure::bot_cpu:
      return bot == nullptr || bot->cpu < 0 ? std::nullopt : std::optional(bot->cpu);
    case Figure::bot_deaths:
      return bot == nullptr ? std::nullopt : std::optional(static_cast<double>(bot->deaths));
    case Figure::bot_crash_loop:
      return bot == nullptr ? std::nullopt : std::optional(bot->crash_loop ? 1.0 : 0.0);
    case Figure::bot_askable:
      return bot == nullptr || !bot->askable ? std::nullopt : std::optional(*bot->askable ? 1.0 : 0.0);
    case Figure::duplicate:
      return is_duplicate(shard) ? 1 : 0;
    case Figure::status:
      return shard.info.last_heartbeat == fleet::kNever
                 ? std::nullopt
                 : std::optional(static_cast<double>(to_unix_ms(shard.info.last_heartbeat)));
    case Figure::parked_until: {
      const auto until = shard.parked() ? parts.sender.parked_until(shard) : std::nullopt;
      return until ? std::optional(static_cast<double>(to_unix_ms(*until))) : std::nullopt;
    }
    case Figure::state:
      return std::nullopt;  // no number
  }
  return std::nullopt;
}

/// Iterates over the shards and writes a text for each, in pieces.
class Rows {
 public:
  explicit Rows(const StatsParts& parts) : parts_(parts) {}

  /// Appends `each(out, shard)` until the piece is full; true when all shards are written.
  template <class Each>
  net::Task<bool> fill(std::string& out, Slice& slice, Each each) {
    const auto go_on = [&] { return !slice.over() && out.size() < kPieceBytes; };
    const auto write = [&](const auto& entry) { each(out, entry.second); };
    while (!walk_.over(parts_.directory.shards(), write, go_on)) {
      if (out.size() >= kPieceBytes) co_return false;
      co_await slice.next();
    }
    walk_ = {};
    co_return true;
  }

 private:
  const StatsParts& parts_;
  Walk<ShardName> walk_;
};

/// The state of an answer in pieces.
struct Written {
  Written(const StatsParts& parts_, std::size_t clients_) : parts(parts_), clients(clients_), rows(parts_) {}

  const StatsParts& parts;
  const std::size_t clients;
  Rows rows;
  std::size_t part = 0;
  bool any = false;  ///< a row is written
};

}  // namespace

control::Pieces stats_pieces(const StatsParts& parts, std::size_t clients) {
  enum Part : std::size_t { kCounts, kRows, kEnd };
  return [at = std::make_shared<Written>(parts, clients)]() -> net::Task<Result<std::string>> {
    std::string out;
    if (at->part == kEnd) co_return out;
    Slice slice(at->parts.slices, kForOperators);
    co_await slice.next();
    if (at->part == kCounts) {
      const auto counts = co_await count_shards(at->parts, slice);
      out = open_text(counts_json(at->parts, counts, at->clients)) + "\"shards\":[";
      at->part = kRows;
    }
    const bool all = co_await at->rows.fill(out, slice, [&at](std::string& row, const Shard& shard) {
      if (std::exchange(at->any, true)) row += ',';
      append_row(row, at->parts, shard);
    });
    if (all) {
      out += "]}";
      at->part = kEnd;
    }
    co_return out;
  };
}

control::Pieces prometheus_pieces(const StatsParts& parts, std::size_t clients) {
  return [at = std::make_shared<Written>(parts, clients)]() -> net::Task<Result<std::string>> {
    std::string out;
    const auto gauges = control::shard_gauges();
    if (at->part > gauges.size()) co_return out;
    Slice slice(at->parts.slices, kForStrangers);
    co_await slice.next();
    if (at->part == 0) {
      const auto counts = co_await count_shards(at->parts, slice);
      out = control::totals_as_prometheus(counts_json(at->parts, counts, at->clients));
      ++at->part;
    }
    // Prometheus wants all lines of one gauge together: iterate over the shards once per gauge.
    while (at->part <= gauges.size() && out.size() < kPieceBytes) {
      const auto& gauge = gauges[at->part - 1];
      if (!std::exchange(at->any, true)) out += control::gauge_head(gauge);
      const bool all =
          co_await at->rows.fill(out, slice, [&at, &gauge](std::string& line, const Shard& shard) {
            if (gauge.figure == control::Figure::state) {
              return control::append_state(line, gauge, shard.info.id.str(), at->parts.plans.state(shard));
            }
            const auto value = figure(at->parts, shard, gauge.figure);
            if (value) control::append_gauge(line, gauge, shard.info.id.str(), *value);
          });
      if (!all) break;
      ++at->part;
      at->any = false;
    }
    co_return out;
  };
}

}  // namespace smaster::server
