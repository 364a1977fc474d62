#include "agent/agent.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/json/array.hpp>
#include <utility>

#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
namespace bj = boost::json;

/// How long a bot that has never said anything may take to read what it was sent.
constexpr Millis kChannelPatience{2'000};
/// How long a bot's own figures are waited for.
constexpr Millis kFiguresPatience{2'000};
/// A bot that lost its master gets less time than usual: its id may soon be somebody else's.
constexpr Millis kLostGrace{5'000};
/// A quiet connection is no lost one before its own heartbeat says so: 25 s + 20 s in Engine.IO's defaults.
constexpr Millis kQuietConnection{45'000};
constexpr Millis kLongestDelay{24 * 3'600'000};
/// What an answer has around it in its packet.
constexpr std::size_t kAckOverhead = 256;
/// Questions that may wait for a bot that does not answer.
constexpr std::size_t kMaxWaiting = 10'000;
constexpr std::string_view kNotSupported = "not supported by this bot";

Time wall_clock() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }
Instant now() { return std::chrono::steady_clock::now(); }

std::string introduction(const AgentOptions& options) {
  return json::serialize(bj::object{{"agent", SMASTER_VERSION}, {"graceMs", options.grace.count()}});
}

void read(const bj::object& object, std::string_view key, std::vector<std::string>& out) {
  const auto* const array = object.if_contains(key);
  if (array == nullptr || !array->is_array()) return;
  out.clear();
  for (const auto& element : array->get_array()) {
    if (element.is_string()) out.emplace_back(element.get_string());
  }
}

void read(const bj::object& object, std::string_view key, Millis& out) {
  std::int64_t ms = out.count();
  json::read(object, key, ms);
  if (ms > 0 && ms <= kLongestDelay.count()) out = Millis{ms};
}

std::string_view phase_word(BotLife::Phase phase) {
  switch (phase) {
    case BotLife::Phase::idle:
      return "stopped";
    case BotLife::Phase::waiting:
      return "waiting";
    case BotLife::Phase::running:
      return "running";
    case BotLife::Phase::stopping:
      return "stopping";
  }
  return "";
}

}  // namespace

Agent::Agent(Shared& shared, ShardConfig config, int lock)
    : shared_(shared),
      config_(std::move(config)),
      lock_(lock),
      uplink_(shared.context, shared.pool, config_, shared.tls, introduction(shared.options), *this),
      requests_(uplink_),
      life_(shared.options.life),
      life_timer_(shared.context.get_executor()),
      master_watch_(shared.context.get_executor()),
      channel_watch_(shared.context.get_executor()),
      status_timer_(shared.context.get_executor()),
      figures_timer_(shared.context.get_executor()),
      respawn_timer_(shared.context.get_executor()),
      kill_timer_(shared.context.get_executor()) {}

void Agent::start() { asio::co_spawn(shared_.context, uplink_.run(), asio::detached); }

std::string Agent::tag() const { return "shard " + config_.name.str(); }

void Agent::stop() {
  if (std::exchange(leaving_, true)) {
    if (bot_) bot_->stop();  // the second time kills it
    return;
  }
  respawn_timer_.cancel();
  obey(life_.set_goal(std::nullopt, now()));
  if (life_.phase() == BotLife::Phase::idle) leave();
}

void Agent::leave() {
  if (std::exchange(left_, true)) return;
  send_status();
  for (auto* const timer : {&life_timer_, &master_watch_, &channel_watch_, &status_timer_, &figures_timer_}) {
    timer->cancel();
  }
  uplink_.stop();
  if (on_finished) on_finished();
}

// ---- the connection to the master ----

void Agent::uplink_up(Millis ahead) {
  spdlog::info("{}: connected to {} by {}; the master has proved itself; this clock is {} its", tag(),
               config_.url(), uplink_.polling() ? "polling" : "websocket", clock_words(ahead));
  requests_.connected();
  arm_master_watch();
}

void Agent::uplink_down(const std::string& why, std::optional<Millis>) {
  if (leaving_) return;
  spdlog::warn("{}: {}{}", tag(), why, bot_ ? "; the bot goes on" : "");
  arm_master_watch();
}

void Agent::arm_master_watch() {
  if (life_.phase() == BotLife::Phase::idle || left_) return;
  const auto patience = uplink_.up() ? std::max(assume_dead_after_, kQuietConnection) : assume_dead_after_;
  master_watch_.expires_at(uplink_.heard() + patience);
  master_watch_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    if (now() < uplink_.heard() + assume_dead_after_) return arm_master_watch();
    if (uplink_.up() && now() < uplink_.heard() + kQuietConnection) return arm_master_watch();
    spdlog::error(
        "{}: nothing was heard of the master for {}: the bot is stopped, since its id may go to another",
        tag(), format_duration(assume_dead_after_));
    obey(life_.set_goal(std::nullopt, now()));
    kill_timer_.expires_after(kLostGrace);
    kill_timer_.async_wait([this, generation = bot_generation_](boost::system::error_code stopped) {
      if (!stopped && bot_ && generation == bot_generation_) bot_->stop();
    });
  });
}

void Agent::uplink_event(std::string_view name, std::optional<socketio::AckId> ack_id,
                         socketio::Arguments arguments) {
  auto answer = answer_to_master(ack_id);
  const auto text = [&](std::size_t i) {
    return i < arguments.json.size() ? json::unquote(arguments.json[i]) : std::nullopt;
  };
  if (name == "update") {
    on_update(arguments);
  } else if (name == "respawn") {
    on_respawn(arguments);
  } else if (name == "evalRequest") {
    const auto script = text(0);
    if (!script) return answer(error_outcome("TypeError", "evalRequest takes a script as text"));
    ask_bot(answer, [&](Channel& channel) { channel.eval(*script, answer); });
  } else if (name == "fetchProp") {
    const auto prop = text(0);
    if (!prop) return answer(error_outcome("TypeError", "fetchProp takes a path as text"));
    ask_bot(answer, [&](Channel& channel) { channel.fetch_prop(*prop, answer); });
  } else if (name == "message") {
    const auto from = arguments.json.size() < 2 ? std::nullopt : parse_int<std::int64_t>(arguments.json[1]);
    if (!from) return answer(error_outcome("TypeError", "message takes data and the sender's shard id"));
    ask_bot(answer, [&](Channel& channel) {
      channel.message(arguments.json.front(), *from, ack_id ? answer : Answer{});
    });
  } else if (name == "writeFile") {
    on_write_file(std::move(arguments), std::move(answer));
  } else if (name == "getFile") {
    on_get_file(arguments, std::move(answer));
  } else {
    spdlog::warn("{}: the master sent \"{}\", which this agent does not know", tag(), name.substr(0, 64));
    answer(error_outcome("Error", "this agent does not support that event"));
  }
}

Agent::Answer Agent::answer_to_master(std::optional<socketio::AckId> ack_id) {
  if (!ack_id) return [](const Outcome&) {};
  return [this, id = *ack_id, generation = uplink_.generation()](const Outcome& outcome) {
    if (generation != uplink_.generation()) return;
    if (outcome.json.size() + kAckOverhead > uplink_.max_payload()) {
      const auto error =
          error_outcome("RangeError", "the answer has " + std::to_string(outcome.json.size()) +
                                          " bytes, more than the master takes ([limits] max_payload = " +
                                          std::to_string(uplink_.max_payload()) + ")");
      return uplink_.ack(id, {error.json});
    }
    if (outcome.ok) {
      uplink_.ack(id, {"null", outcome.json});
    } else {
      uplink_.ack(id, {outcome.json});
    }
  };
}

void Agent::on_update(const socketio::Arguments& arguments) {
  const auto value = arguments.json.empty() ? Result<bj::value>(fail(ErrorKind::bad_data, "nothing"))
                                            : json::parse(arguments.json.front());
  if (!value || !value->is_object()) {
    spdlog::warn("{}: the master sent an update that is no object; ignored", tag());
    return;
  }
  const auto& update = value->get_object();
  Role role;
  json::read(update, "id", role.id);
  json::read(update, "count", role.count);
  json::read(update, "master", is_master_);
  if (const auto* const config = update.if_contains("config"); config != nullptr && config->is_object()) {
    const auto& object = config->get_object();
    json::read(object, "botName", bot_name_);
    read(object, "nodeArgs", node_args_);
    read(object, "botArgs", bot_args_);
    if (const auto* const heartbeat = object.if_contains("heartbeat");
        heartbeat != nullptr && heartbeat->is_object()) {
      std::string style = asks_for_statuses_ ? "pull" : "push";
      json::read(heartbeat->get_object(), "updateStyle", style);
      asks_for_statuses_ = style == "pull";
      read(heartbeat->get_object(), "interval", interval_);
      read(heartbeat->get_object(), "assumeDeadAfter", assume_dead_after_);
    }
  }
  if (leaving_) return;
  constexpr ShardId kLeave{-2};  // WIRE.md, `update`
  if (role.id == kLeave) {
    spdlog::info("{}: the master says that this agent is to end", tag());
    return stop();
  }
  const auto goal = role.id.bound() ? std::optional(role) : std::nullopt;
  if (goal != life_.goal()) {
    spdlog::info("{}: {}", tag(),
                 goal
                     ? "shard id " + std::to_string(role.id.value) + " of " + std::to_string(role.count.value)
                     : "no shard id for now");
  }
  obey(life_.set_goal(goal, now()));
  if (asks_for_statuses_) {
    status_timer_.cancel();
    ask_figures();
  } else {
    arm_status();
  }
  arm_master_watch();
}

void Agent::on_respawn(const socketio::Arguments& arguments) {
  const auto delay = arguments.json.empty() ? std::nullopt : parse_int<std::int64_t>(arguments.json.front());
  respawn_timer_.expires_after(std::clamp(Millis{delay.value_or(0)}, Millis{0}, kLongestDelay));
  respawn_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) obey(life_.respawn(now()));
  });
}

/// Runs `ask` if there is a bot that may answer.
void Agent::ask_bot(const Answer& answer, const std::function<void(Channel&)>& ask) {
  if (!bot_ || !channel_) {
    const auto id = life_.goal() ? std::to_string(life_.goal()->id.value) : "of this agent";
    // discord.js' words for it.
    return answer(
        error_outcome("Error [ShardingNoChildExists]", "Shard " + id + " has no active process or worker."));
  }
  if (hung_up_) return answer(error_outcome("Error", kNotSupported));
  if (channel_->waiting() >= kMaxWaiting) {
    return answer(error_outcome("Error", "the bot does not answer: " + std::to_string(kMaxWaiting) +
                                             " questions wait for it already"));
  }
  ask(*channel_);
  arm_channel_watch();
}

// ---- the bot's life ----

void Agent::obey(BotLife::Order order) {
  switch (order) {
    case BotLife::Order::none:
      break;
    case BotLife::Order::start:
      start_bot();
      break;
    case BotLife::Order::stop:
      spdlog::info("{}: stopping the bot", tag());
      ready_.reset();
      if (bot_) bot_->stop();
      break;
  }
  arm_life();
}

void Agent::arm_life() {
  const auto deadline = life_.deadline();
  if (!deadline) {
    life_timer_.cancel();
    return;
  }
  life_timer_.expires_at(*deadline);
  life_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) obey(life_.tick(now()));
  });
}

BotCommand Agent::bot_command(const Role& role) const {
  const auto& options = shared_.options;
  const auto id = std::to_string(role.id.value);
  BotCommand command;
  command.words = options.command;
  const auto program = std::filesystem::path(options.command.front()).filename();
  if (program == "node" || program == "nodejs") {
    command.words.insert(command.words.begin() + 1, node_args_.begin(), node_args_.end());
  }
  command.words.insert(command.words.end(), bot_args_.begin(), bot_args_.end());
  command.environment = options.environment;
  for (const auto& variable :
       {"SHARDS=" + id, "SHARD_ID=" + id, "SHARD_COUNT=" + std::to_string(role.count.value),
        std::string("SHARDING_MANAGER=true"), std::string("SHARDING_MANAGER_MODE=process"),
        "SHARDING_NAME=" + config_.name.str(), "SHARDING_BOT_NAME=" + bot_name_,
        std::string("SHARDING_MASTER=") + (is_master_ ? "true" : "false")}) {
    command.environment.push_back(variable);
  }
  if (options.prefix) command.prefix = '[' + config_.name.str() + ' ' + id + "] ";
  command.grace = options.grace;
  command.lock = lock_;
  return command;
}

void Agent::start_bot() {
  const auto role = *life_.role();
  spdlog::info("{}: starting the bot as shard {} of {}", tag(), role.id.value, role.count.value);
  ++bot_generation_;
  ready_.reset();
  hung_up_ = false;
  stats_script_ = 0;
  asking_figures_ = false;
  figures_.reset();
  channel_.emplace(*this);
  start_time_ = wall_clock();
  kill_timer_.cancel();
  auto started = BotProcess::start(shared_.context, bot_command(role), *this);
  if (started) {
    bot_ = std::move(*started);
    send_status();
  } else {
    bot_exited(started.error().message);
  }
}

void Agent::bot_exited(const std::string& how) {
  const bool asked_for = life_.phase() == BotLife::Phase::stopping;
  bot_.reset();
  channel_watch_.cancel();
  last_exit_ = how;
  stop_time_ = wall_clock();
  ready_.reset();
  channel_->fail_all(error_outcome("Error", "the bot ended before it answered (" + how + ")"));
  obey(life_.exited(now(), crypto::random_number()));
  if (asked_for) {
    spdlog::info("{}: the bot ended ({})", tag(), how);
  } else {
    const auto pause =
        life_.deadline() ? std::chrono::duration_cast<Millis>(*life_.deadline() - now()) : Millis{0};
    spdlog::warn("{}: the bot died ({}); it is started again in {}{}", tag(), how, format_duration(pause),
                 life_.crash_loop() ? "; it dies again and again" : "");
  }
  send_status();
  if (leaving_ && life_.phase() == BotLife::Phase::idle) leave();
}

// ---- the bot's channel ----

void Agent::to_bot(std::string line) {
  if (bot_) bot_->send(std::move(line));
}

void Agent::bot_hung_up() {
  hung_up_ = true;
  channel_->fail_all(error_outcome("Error", kNotSupported));
}

void Agent::bot_state(BotState state) {
  ready_ = state == BotState::ready || state == BotState::resumed;
  ask_figures();
}

/// A bot that has never said anything and does not read has not opened its channel: nobody waits for it.
void Agent::arm_channel_watch() {
  if (channel_->alive()) return;
  channel_watch_.expires_after(kChannelPatience);
  channel_watch_.async_wait([this, generation = bot_generation_](boost::system::error_code error) {
    if (error || !bot_ || generation != bot_generation_ || channel_->alive() || bot_->all_read()) return;
    channel_->fail_all(error_outcome("Error", kNotSupported));
  });
}

// ---- statuses ----

/// Sends a status with the bot's own figures, as soon as it has given them.
void Agent::ask_figures() {
  const bool deaf = !bot_ || hung_up_ || (!channel_->alive() && !bot_->all_read());
  if (deaf || stats_script_ >= std::size(kStatsScripts)) return send_status();
  if (std::exchange(asking_figures_, true)) {
    figures_.reset();  // it has not answered the last time: what it said before is no longer true
    return send_status();
  }
  channel_->eval(std::string(kStatsScripts[stats_script_]),
                 [this, generation = bot_generation_](const Outcome& outcome) {
                   if (generation == bot_generation_) take_figures(outcome);
                 });
  figures_timer_.expires_after(kFiguresPatience);
  figures_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) send_status();  // without them; they may come for the next one
  });
}

void Agent::take_figures(const Outcome& outcome) {
  asking_figures_ = false;
  const bool in_time = figures_timer_.cancel() > 0;
  const auto value =
      outcome.ok ? json::parse(outcome.json) : Result<bj::value>(fail(ErrorKind::bad_data, ""));
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

fleet::BotReport Agent::bot_report() const {
  fleet::BotReport report;
  report.agent = SMASTER_VERSION;
  report.state = phase_word(life_.phase());
  report.ready = ready_;
  report.pid = bot_ ? bot_->pid() : -1;
  report.deaths = life_.deaths();
  report.crash_loop = life_.crash_loop();
  report.last_exit = last_exit_;
  if (const auto next = life_.deadline()) {
    report.next_start_in = std::chrono::duration_cast<Millis>(*next - now()).count();
  }
  return report;
}

void Agent::send_status() {
  if (!uplink_.up()) return;
  BotFacts facts{config_.name.str(), is_master_, life_.goal(), life_.role(), start_time_, stop_time_};
  if (bot_) {
    facts.pid = bot_->pid();
    facts.keeper = bot_->keeper();
  }
  auto status = statuses_.compose(facts, bot_ && figures_ ? &*figures_ : nullptr, wall_clock(),
                                  shared_.storage.latest());
  status.bot = bot_report();
  uplink_.emit("status", {json::serialize(fleet::to_json(status))});
}

}  // namespace smaster::agent
