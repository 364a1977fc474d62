#include "server/dashboard/fleet_view.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/array.hpp>
#include <cmath>
#include <memory>
#include <utility>

#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/fairness/slices.hpp"
#include "server/shards/shard_session.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {
namespace {

constexpr Millis kPause{1'000};
constexpr std::size_t kMaxEvents = 500;
constexpr std::size_t kPastEvents = 200;  ///< read at the start

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

/// A shard's row in the page's grid. `since`: the begin of its state; kNever: unknown.
boost::json::object page_row(const Shard& shard, std::string_view state, Time since) {
  const auto& info = shard.info;
  boost::json::object row{{"name", info.id.str()},
                          {"ids", ids_text(shard)},
                          {"id", info.goal.first().value},
                          {"count", info.goal.count.value},
                          {"master", info.is_master},
                          {"state", state},
                          {"host", info.host},
                          {"address", shard.session != nullptr ? shard.session->address() : std::string()}};
  if (since != fleet::kNever) row["since"] = to_unix_ms(since);
  if (shard.status && shard.status->bot) row["deaths"] = shard.status->bot->deaths;
  return row;
}

}  // namespace

FleetView::FleetView(const Parts& parts) : parts_(parts), pause_(parts.context) {}

net::Task<> FleetView::run() {
  news_.emplace(parts_.event_list.events.follow([this](const fleet::Event& event) {
    events_.push_back({moment_ + 1, event.id, fleet::to_text(event)});
    if (events_.size() > kMaxEvents) events_.pop_front();
  }));
  for (const auto& [name, shard] : parts_.stats.directory.shards()) unread_.insert(unread_.end(), name);
  co_await look();
  co_await read_past();
  while (!stopped_) {
    boost::system::error_code ignored;
    pause_.expires_after(kPause);
    co_await pause_.async_wait(net::asio::redirect_error(net::use_task, ignored));
    if (!stopped_) co_await look();
  }
}

void FleetView::stop() {
  stopped_ = true;
  pause_.cancel();
}

/// One shard at a time, so that other readers of the history do not wait long.
net::Task<> FleetView::read_past() {
  const auto since = net::wall_clock() - fleet::kDay.part * fleet::kDay.parts;
  auto next = net::now() + kPause;
  co_await read_past_events();
  while (!unread_.empty() && !stopped_) {
    const auto name = *unread_.begin();
    // The samples do not have a status that comes while they are read: the next scan adds it.
    const auto* const known = parts_.stats.directory.find(name);
    const auto read_to = known != nullptr ? known->status_at : Instant{};
    const auto samples = co_await parts_.history.read(name, since);
    if (stopped_) co_return;
    auto& series = series_[name];
    for (const auto& sample : samples ? *samples : std::vector<fleet::Sample>()) {
      series.add(sample.at, sample.status);
    }
    // Without a row the shard was revoked since the last scan but one, and maybe added again.
    const auto row = rows_.find(name);
    if (row != rows_.end() && parts_.stats.directory.find(name) != nullptr) {
      row->second.status_at = read_to;
    } else {
      series_.erase(name);
    }
    unread_.erase(name);
    if (net::now() < next) continue;
    co_await look();
    next = net::now() + kPause;
  }
}

net::Task<> FleetView::read_past_events() {
  fleet::EventQuery query;
  query.limit = kPastEvents;
  const auto past = co_await read_events(parts_.event_list, query);
  if (!past || stopped_) co_return;
  for (auto event = past->rbegin(); event != past->rend(); ++event) {
    if (!events_.empty() && event->id >= events_.front().id) continue;  // it came as news, too
    events_.push_front({moment_ + 1, event->id, fleet::to_text(*event)});
  }
}

net::Task<> FleetView::look() {
  Slice slice(parts_.stats.slices, kForPage);
  co_await slice.next();
  std::vector<ShardName> gone;
  co_await in_slices(rows_, slice, [&](const auto& entry) {
    if (parts_.stats.directory.find(entry.first) == nullptr) gone.push_back(entry.first);
  });
  for (const auto& name : gone) {
    if (slice.over()) co_await slice.next();
    if (parts_.stats.directory.find(name) != nullptr) continue;  // it was added again meanwhile
    gone_.emplace_back(moment_ + 1, name.str());
    series_.erase(name);
    rows_.erase(name);
  }
  while (gone_.size() > kMaxEvents) {
    forgotten_ = gone_.front().first;
    gone_.pop_front();
  }
  ShardCounts counts;
  co_await in_slices(parts_.stats.directory.shards(), slice, [&](const auto& entry) {
    const auto [row, fresh] = rows_.try_emplace(entry.first);
    const auto state = parts_.stats.plans.state(entry.second);
    counts.add(parts_.stats, entry.second, state);
    compare(entry.second, state, row->second, fresh);
  });
  totals_.add(net::wall_clock(), counts.states);
  counts_ = counts;
  ++moment_;
}

void FleetView::compare(const Shard& shard, std::string_view state, Row& row, bool fresh) {
  // Not last_heartbeat: that of a bot without messages stays, though its statuses come.
  if (shard.status && !unread_.contains(shard.info.id) && shard.status_at > row.status_at) {
    row.status_at = shard.status_at;
    const auto age = std::chrono::duration_cast<Millis>(net::now() - shard.status_at);
    series_[shard.info.id].add(net::wall_clock() - age, *shard.status);
  }
  const auto deaths = shard.status && shard.status->bot ? shard.status->bot->deaths : 0;
  const bool same = !fresh && state == row.state && shard.info.goal == row.goal &&
                    shard.session == row.session && shard.info.host == row.host && deaths == row.deaths;
  if (same) return;
  if (state != row.state) {
    const bool gone = shard.session == nullptr && shard.info.registered();
    row.since = gone ? shard.info.last_seen : fresh ? fleet::kNever : net::wall_clock();
  }
  row.goal = shard.info.goal;
  row.session = shard.session;
  row.host = shard.info.host;
  row.deaths = deaths;
  row.state = state;
  row.json = json::serialize(page_row(shard, state, row.since));
  row.changed = moment_ + 1;
}

boost::json::object FleetView::head() const {
  auto counts = counts_json(parts_.stats, counts_, std::nullopt);
  counts["now"] = to_unix_ms(net::wall_clock());
  return counts;
}

/// The state of an answer of `changes`.
struct FleetView::Changes {
  const FleetView& view;
  const std::uint64_t since;
  const std::uint64_t until;
  Walk<ShardName> walk{};
  bool begun = false;
  bool any = false;
  bool ended = false;

  [[nodiscard]] bool covers(std::uint64_t moment) const { return moment > since && moment <= until; }
  net::Task<Result<std::string>> next();
  [[nodiscard]] std::string rest() const;
};

net::Task<Result<std::string>> FleetView::Changes::next() {
  std::string text;
  if (ended) co_return text;
  Slice slice(view.parts_.stats.slices, kForPage);
  co_await slice.next();
  if (!std::exchange(begun, true)) text = "{\"head\":" + json::serialize(view.head()) + ",\"rows\":[";
  const auto go_on = [&] { return !slice.over() && text.size() < kPieceBytes; };
  const auto add = [&](const auto& entry) {
    if (covers(entry.second.changed))
      text.append(std::exchange(any, true) ? "," : "").append(entry.second.json);
  };
  while (!walk.over(view.rows_, add, go_on)) {
    if (text.size() >= kPieceBytes) co_return text;
    co_await slice.next();
  }
  ended = true;
  co_return text + rest();
}

/// The text after the rows.
std::string FleetView::Changes::rest() const {
  std::string text = "],\"events\":[";
  const char* comma = "";
  for (const auto& event : view.events_) {
    if (covers(event.moment)) text.append(std::exchange(comma, ",")).append(event.json);
  }
  text += "],\"gone\":[";
  comma = "";
  for (const auto& [moment, name] : view.gone_) {
    if (covers(moment) && since > 0) text.append(std::exchange(comma, ",")).append(json::quote(name));
  }
  return text + "]}";
}

net::Pieces FleetView::changes(std::uint64_t since) {
  const auto at = std::make_shared<Changes>(Changes{*this, since, moment_});
  return [at] { return at->next(); };
}

/// The state of an answer of `series`.
struct FleetView::Graph {
  const FleetView& view;
  const fleet::Metric metric;
  const fleet::Resolution& resolution;
  const std::set<std::string> names;
  const bool all;
  const std::string host;
  const Time now = net::wall_clock();
  std::vector<float> sum = std::vector<float>(resolution.parts, std::nanf(""));
  std::vector<float> counts = std::vector<float>(resolution.parts, 0);
  Walk<ShardName> walk{};
  bool begun = false;
  bool any = false;
  bool ended = false;

  net::Task<Result<std::string>> next();
  void add(const std::vector<float>& values);
};

net::Task<Result<std::string>> FleetView::Graph::next() {
  std::string text;
  if (ended) co_return text;
  Slice slice(view.parts_.stats.slices, kForPage);
  co_await slice.next();
  if (!std::exchange(begun, true)) {
    const auto step = resolution.part.count();
    const auto start = (to_unix_ms(now) / step - static_cast<std::int64_t>(resolution.parts) + 1) * step;
    text = fmt::format("{{\"start\":{},\"step\":{},\"shards\":{{", start, step);
  }
  const auto go_on = [&] { return !slice.over() && text.size() < kPieceBytes; };
  const auto take = [&](const auto& entry) {
    const auto* const shard = host.empty() ? nullptr : view.parts_.stats.directory.find(entry.first);
    if (!host.empty() && (shard == nullptr || shard->info.host != host)) return;
    const auto values = entry.second.values(metric, resolution, now);
    add(values);
    const auto& name = entry.first.str();
    if (!all && !names.contains(name)) return;
    text.append(std::exchange(any, true) ? "," : "").append(json::quote(name)).append(":");
    append(text, values);
  };
  while (!walk.over(view.series_, take, go_on)) {
    if (text.size() >= kPieceBytes) co_return text;
    co_await slice.next();
  }
  for (std::size_t i = 0; i < sum.size() && is_mean(metric); ++i) sum[i] /= counts[i] > 0 ? counts[i] : 1;
  text += "},\"sum\":";
  append(text, sum);
  ended = true;
  co_return text + '}';
}

void FleetView::Graph::add(const std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    sum[i] = std::isnan(sum[i]) ? values[i] : sum[i] + values[i];
    counts[i] += 1;
  }
}

net::Pieces FleetView::series(fleet::Metric metric, const fleet::Resolution& resolution,
                              std::set<std::string> names, bool all, std::string host) {
  const auto at =
      std::make_shared<Graph>(Graph{*this, metric, resolution, std::move(names), all, std::move(host)});
  return [at] { return at->next(); };
}

std::string FleetView::states(const fleet::Resolution& resolution) const {
  return totals_.to_text(resolution, net::wall_clock());
}

}  // namespace smaster::server
