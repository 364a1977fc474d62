// The statuses that an agent sends to its master.
#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/agent.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::agent {
namespace {

/// Timeout for the bot's own figures.
constexpr Millis kFiguresPatience{2'000};
/// Minimum time between two statuses caused by changes of the bot's state; changes in between are combined.
constexpr Millis kSoon{500};

std::string_view phase_word(BotLife::Phase phase) {
  switch (phase) {
    case BotLife::Phase::idle:
      return "stopped";
    case BotLife::Phase::waiting:
      return "waiting";
    case BotLife::Phase::asking:
    case BotLife::Phase::queued:
      return "queued";
    case BotLife::Phase::running:
      return "running";
    case BotLife::Phase::stopping:
      return "stopping";
  }
  return "";
}

}  // namespace

/// Asks the bot for its figures, then sends a status with them.
void Agent::ask_figures() {
  const bool deaf = !bot_ || ended_ || hung_up_ || (!channel_->alive() && !bot_->all_read());
  if (deaf || stats_script_ >= std::size(kStatsScripts)) return send_status();
  if (std::exchange(asking_figures_, true)) {
    figures_.reset();  // the previous request is unanswered: its figures are out of date
    return send_status();
  }
  channel_->eval(std::string(kStatsScripts[stats_script_]),
                 [this, generation = bot_generation_](const Outcome& outcome) {
                   if (generation == bot_generation_) take_figures(outcome);
                 });
  figures_timer_.expires_after(kFiguresPatience);
  figures_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) send_status();  // without the figures; if they come later, the next status has them
  });
}

void Agent::take_figures(const Outcome& outcome) {
  asking_figures_ = false;
  const bool in_time = figures_timer_.cancel() > 0;
  const auto value =
      outcome.ok ? json::parse(outcome.json) : Result<boost::json::value>(fail(ErrorKind::bad_data, ""));
  if (value && value->is_object()) {
    figures_ = value->get_object();
    if (in_time) send_status();
    return;
  }
  figures_.reset();
  ++stats_script_;
  if (in_time && bot_) ask_figures();
}

void Agent::arm_status() {
  status_timer_.expires_after(interval_);
  status_timer_.async_wait([this](boost::system::error_code error) {
    if (error || asks_for_statuses_ || left_) return;
    ask_figures();
    arm_status();
  });
}

/// The hooks' reports. A bot without hooks says in its channel, for all its ids, that a connection was lost.
std::vector<fleet::GatewayReport> Agent::gateways() const {
  auto reports = logins_.gateways(net::now());
  if (!reports.empty() || !bot_ || lost_gateway_.empty()) return reports;
  for (const auto id : life_.assignment()->ids) {
    auto& report = reports.emplace_back();
    report.id = id;
    report.state = lost_gateway_;
  }
  return reports;
}

fleet::BotReport Agent::bot_report() const {
  fleet::BotReport report;
  report.agent = SMASTER_VERSION;
  report.state = phase_word(life_.phase());
  // The hooks' view of the gateway connections is more reliable than the library's own events.
  const auto ready = bot_ ? logins_.ready() : std::nullopt;
  report.ready = ready ? ready : ready_;
  report.asks = logins_.asks();
  report.hooks = logins_.hooks();
  report.gateways = gateways();
  if (bot_ && (hung_up_ || channel_->alive())) report.askable = !hung_up_;
  report.pid = bot_ ? bot_->pid() : -1;
  report.deaths = life_.deaths();
  report.crash_loop = life_.crash_loop();
  report.last_exit = last_exit_;
  report.last_lines = last_lines_;
  if (const auto next = life_.deadline()) {
    report.next_start_in = std::chrono::duration_cast<Millis>(*next - net::now()).count();
  }
  return report;
}

/// Sends the first change at once, and combines later ones.
void Agent::send_status_soon() {
  if (std::exchange(status_due_, true)) return;
  soon_timer_.expires_at(std::max(net::now(), told_soon_ + kSoon));
  soon_timer_.async_wait([this](boost::system::error_code error) {
    status_due_ = false;
    if (error) return;
    told_soon_ = net::now();
    std::exchange(figures_due_, false) ? ask_figures() : send_status();
  });
}

void Agent::send_status() {
  if (!uplink_.up()) return;
  BotFacts facts{name_.str(), is_master_, life_.goal(), life_.assignment(), start_time_, stop_time_};
  if (bot_) {
    facts.pid = bot_->pid();
    facts.tree = shared_.processes.descendants_usage(bot_->keeper(), net::now());
  }
  auto status = statuses_.compose(facts, bot_ && figures_ ? &*figures_ : nullptr, net::wall_clock(),
                                  shared_.storage.latest());
  status.bot = bot_report();
  status.bot->cpu = statuses_.bot_cpu();
  uplink_.emit("status", {fleet::to_text(status)});
}

}  // namespace smaster::agent
