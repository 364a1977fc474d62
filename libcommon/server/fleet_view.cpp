#include "server/fleet_view.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/array.hpp>
#include <cmath>
#include <numeric>
#include <utility>

#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"
#include "server/stats.hpp"

namespace smaster::server {
namespace {

constexpr Millis kPause{1'000};
constexpr std::size_t kMaxEvents = 500;

std::string number(float value) {
  return std::isnan(value) ? "null" : fmt::format("{:.6g}", static_cast<double>(value));
}

void append(std::string& out, const std::vector<float>& values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) out.append(i > 0 ? "," : "").append(number(values[i]));
  out += ']';
}

bool is_mean(fleet::Metric metric) { return metric == fleet::Metric::cpu || metric == fleet::Metric::ping; }

std::string ids_text(const Shard& shard) {
  return shard.info.goal.bound() ? fleet::ids_text(shard.info.goal) : std::string();
}

/// A shard's line: what the grid and the table show of it.
boost::json::object row_json(const Core& core, const Shard& shard, std::string_view state) {
  const auto& info = shard.info;
  boost::json::object row{{"name", info.id.str()},
                          {"ids", ids_text(shard)},
                          {"id", info.goal.first().value},
                          {"count", info.goal.count.value},
                          {"master", info.is_master},
                          {"state", state},
                          {"host", info.host},
                          {"seen", to_unix_ms(info.last_seen)},
                          {"address", shard.session != nullptr ? shard.session->address() : std::string()}};
  if (const auto until = shard.parked ? core.fleet.parked_until(shard) : std::nullopt) {
    row["parkedUntil"] = to_unix_ms(*until);
  }
  if (!shard.status) return row;
  const auto& status = *shard.status;
  const auto cores = static_cast<double>(status.cpu_load.size());
  row["memory"] = status.mem_rss;
  row["cpu"] = cores > 0 ? std::accumulate(status.cpu_load.begin(), status.cpu_load.end(), 0.0) / cores : 0;
  row["ping"] = status.ping;
  row["messages"] = status.message_count_total;
  row["since"] = to_unix_ms(status.start_time);
  if (status.bot) row["deaths"] = status.bot->deaths;
  return row;
}

}  // namespace

FleetView::FleetView(Core& core) : core_(core), pause_(core.context) {}

net::Task<> FleetView::run() {
  for (const auto& [name, shard] : core_.fleet.shards()) unread_.insert(name);
  look();
  co_await read_past();
  while (!stopped_) {
    boost::system::error_code ignored;
    pause_.expires_after(kPause);
    co_await pause_.async_wait(net::asio::redirect_error(net::use_task, ignored));
    if (!stopped_) look();
  }
}

void FleetView::stop() {
  stopped_ = true;
  pause_.cancel();
}

/// One shard's at a time: whoever else wants to read it is not held up for long.
net::Task<> FleetView::read_past() {
  const auto since = net::wall_clock() - fleet::kDay.part * fleet::kDay.parts;
  auto next = net::now() + kPause;
  while (!unread_.empty()) {
    const auto name = *unread_.begin();
    const auto samples = co_await core_.fleet.history(name, since);
    if (stopped_) co_return;
    auto& series = series_[name];
    for (const auto& sample : samples ? *samples : std::vector<fleet::Sample>()) {
      series.add(sample.at, sample.status);
    }
    if (const auto* const shard = core_.fleet.find(name); shard != nullptr) {
      rows_[name].status_at = shard->info.last_heartbeat;
    } else {
      series_.erase(name);
    }
    unread_.erase(name);
    if (net::now() < next) continue;
    look();
    next = net::now() + kPause;
  }
}

void FleetView::look() {
  ++moment_;
  if (const auto goal = core_.fleet.goal().value; goal != goal_) {
    if (goal_ >= 0) tell(fmt::format("the goal is {} shards now, {} before", goal, goal_), "", "");
    goal_ = goal;
  }
  for (auto row = rows_.begin(); row != rows_.end();) {
    if (core_.fleet.find(row->first) != nullptr) {
      ++row;
      continue;
    }
    tell("revoked", row->first.str(), "");
    gone_.emplace_back(moment_, row->first.str());
    series_.erase(row->first);
    row = rows_.erase(row);
  }
  while (gone_.size() > kMaxEvents) gone_.pop_front();
  for (const auto& [name, shard] : core_.fleet.shards()) {
    const auto [row, fresh] = rows_.try_emplace(name);
    compare(shard, row->second, fresh);
  }
}

void FleetView::compare(const Shard& shard, Row& row, bool fresh) {
  const std::string state(core_.fleet.state(shard));
  const auto name = shard.info.id.str();
  if (shard.status) {
    const auto& status = *shard.status;
    const bool known = !fresh && row.start_time != fleet::kNever;
    if (known && status.bot && status.bot->deaths > row.deaths) {
      tell("the bot died: " + status.bot->last_exit, name, ids_text(shard));
    }
    if (known && status.start_time > row.start_time) tell("the bot was started", name, ids_text(shard));
    row.deaths = status.bot ? status.bot->deaths : 0;
    row.start_time = std::max(row.start_time, status.start_time);
    if (!unread_.contains(shard.info.id) && shard.info.last_heartbeat > row.status_at) {
      row.status_at = shard.info.last_heartbeat;
      series_[shard.info.id].add(row.status_at, status);
    }
  }
  const bool same = !fresh && state == row.state && shard.info.last_seen == row.seen &&
                    shard.info.goal == row.goal && shard.session == row.session;
  if (same) return;
  row.seen = shard.info.last_seen;
  row.goal = shard.info.goal;
  row.session = shard.session;
  if (!fresh && state != row.state) tell(row.state + " → " + state, name, ids_text(shard));
  row.state = state;
  row.json = json::serialize(row_json(core_, shard, state));
  row.changed = moment_;
}

void FleetView::tell(std::string what, const std::string& name, const std::string& ids) {
  events_.push_back(
      {moment_,
       json::serialize(boost::json::object{
           {"at", to_unix_ms(net::wall_clock())}, {"name", name}, {"ids", ids}, {"what", std::move(what)}})});
  if (events_.size() > kMaxEvents) events_.pop_front();
}

boost::json::object FleetView::head() const {
  auto counts = counts_json(core_, std::nullopt);
  counts["now"] = to_unix_ms(net::wall_clock());
  return counts;
}

std::string FleetView::changes(std::uint64_t since) const {
  std::string text = "{\"head\":" + json::serialize(head());
  const auto list = [&text](std::string_view key, const std::vector<std::string_view>& items) {
    text.append(",\"").append(key).append("\":[");
    for (std::size_t i = 0; i < items.size(); ++i) text.append(i > 0 ? "," : "").append(items[i]);
    text += ']';
  };
  std::vector<std::string_view> rows;
  for (const auto& [name, row] : rows_) {
    if (row.changed > since) rows.push_back(row.json);
  }
  std::vector<std::string_view> events;
  for (const auto& event : events_) {
    if (event.moment > since) events.push_back(event.json);
  }
  list("rows", rows);
  list("events", events);
  std::vector<std::string> quoted;
  for (const auto& [moment, name] : gone_) {
    if (moment > since && since > 0) quoted.push_back(json::quote(name));
  }
  list("gone", {quoted.begin(), quoted.end()});
  return text + '}';
}

std::string FleetView::series(fleet::Metric metric, const fleet::Resolution& resolution,
                              const std::set<std::string>& names, bool all) const {
  const auto now = net::wall_clock();
  std::vector<float> sum(resolution.parts, std::nanf(""));
  std::vector<float> counts(resolution.parts, 0);
  std::string shards;
  for (const auto& [name, series] : series_) {
    const auto values = series.values(metric, resolution, now);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      sum[i] = std::isnan(sum[i]) ? values[i] : sum[i] + values[i];
      counts[i] += 1;
    }
    if (!all && !names.contains(name.str())) continue;
    shards.append(shards.empty() ? "" : ",").append(json::quote(name.str())).append(":");
    append(shards, values);
  }
  for (std::size_t i = 0; i < sum.size() && is_mean(metric); ++i) sum[i] /= counts[i] > 0 ? counts[i] : 1;
  const auto step = resolution.part.count();
  const auto start = (to_unix_ms(now) / step - static_cast<std::int64_t>(resolution.parts) + 1) * step;
  std::string text = fmt::format("{{\"start\":{},\"step\":{},\"sum\":", start, step);
  append(text, sum);
  return text + ",\"shards\":{" + shards + "}}";
}

}  // namespace smaster::server
