#include "agent/agent.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <utility>

#include "agent/bot/proc.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "wire/shard/master_key.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
namespace bj = boost::json;
using net::now;

/// How long a keeper may take, beyond kLostGrace, to end a bot whose lease has expired.
constexpr Millis kKeeperMargin{1'000};
/// How long a keeper may take to kill the bot at once: draining its output may take a second.
constexpr Millis kSecondStop{3'000};
constexpr Millis kLongestDelay{24 * 3'600'000};

/// A hash of the bot's command. Agents with equal hashes run the same program, so the master may assume that
/// their bots have the same abilities.
std::string kind_of(const std::vector<std::string>& command) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (const auto& word : command) {
    for (const char c : word + '\0') {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
  }
  return std::to_string(hash);
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

/// The token that the bot gets; empty if there is none.
std::string token_of(const std::vector<std::string>& environment) {
  constexpr std::string_view kVariable = "DISCORD_TOKEN=";
  for (const auto& variable : environment) {
    if (variable.starts_with(kVariable)) return variable.substr(kVariable.size());
  }
  return {};
}

}  // namespace

std::string introduction(const AgentOptions& options, const Identity& identity, bool only_check) {
  bj::object object{{"agent", SMASTER_VERSION},
                    {"processes", options.processes},
                    {"shardsPerProcess", options.shards_per_process},
                    {"host", options.host},
                    {"kind", kind_of(options.command) + (options.hooks ? "" : " without hooks")},
                    {"instance", identity.instance},
                    {"boot", identity.boot},
                    {"machine", identity.machine}};
  const auto confinement = own_confinement();
  object["uid"] = confinement.uid;
  object["confined"] = confinement.confined;
  if (only_check) object["check"] = true;
  return json::serialize(object);
}

Agent::Agent(Shared& shared, std::shared_ptr<ShardConfig> config, int process, int lock, LeasePage page,
             std::string introduction)
    : shared_(shared),
      config_(std::move(config)),
      name_(config_->name.process(process)),
      lock_(lock),
      lease_page_(std::move(page)),
      uplink_(shared.context, shared.pool,
              {*config_, process, shared.lookup(config_->masters), std::move(introduction)}, *this),
      requests_(uplink_),
      output_(shared.context, uplink_, shared.options.log_lines, token_of(shared.options.environment)),
      life_(shared.options.life),
      life_timer_(shared.context.get_executor()),
      master_watch_(shared.context.get_executor()),
      lease_timer_(shared.context.get_executor()),
      channel_watch_(shared.context.get_executor()),
      logins_timer_(shared.context.get_executor()),
      status_timer_(shared.context.get_executor()),
      figures_timer_(shared.context.get_executor()),
      soon_timer_(shared.context.get_executor()),
      respawn_timer_(shared.context.get_executor()),
      kill_timer_(shared.context.get_executor()) {
  if (const auto& options = shared.options; options.log_dir) {
    output_.write_to(std::make_unique<LogFile>(*options.log_dir, name_.str(), options.log_limits),
                     shared.pool, shared.tasks);
  }
}

void Agent::start() {
  shared_.tasks.keep_running("connection to the master", [this] { return uplink_.run(); });
}

std::string Agent::tag() const { return "shard " + name_.str(); }

void Agent::stop() {
  if (std::exchange(leaving_, true)) {
    if (bot_) bot_->stop();  // a second stop() kills
    arm_kill(kSecondStop);
    return;
  }
  respawn_timer_.cancel();
  obey(life_.set_goal(std::nullopt, now()));
  if (life_.phase() == BotLife::Phase::idle) leave();
}

void Agent::leave() {
  if (std::exchange(left_, true)) return;
  send_status();
  // Tells the master that no bot of ours runs or will run: another agent may use the config.
  uplink_.emit("leave", {});
  for (auto* const timer : {&life_timer_, &master_watch_, &lease_timer_, &channel_watch_, &logins_timer_,
                            &status_timer_, &figures_timer_, &soon_timer_, &kill_timer_}) {
    timer->cancel();
  }
  output_.stop();
  uplink_.stop();
  if (on_finished) on_finished();
}

void Agent::uplink_up(Millis ahead) {
  spdlog::info("{}: connected to {} by {}; the master has proved itself; this clock is {} its", tag(),
               uplink_.master().url(), uplink_.polling() ? "polling" : "websocket", clock_words(ahead));
  lease_.connected(uplink_.dialled());
  lease_changed();
  send_status();  // first, so that the master knows what runs here before it sends `update`
  if (life_.phase() == BotLife::Phase::asking) ask_to_start();
  logins_.connected(now());
  requests_.connected();
  ask_for_lease();
}

void Agent::uplink_down(const std::string& why, std::optional<Millis>) {
  lease_.disconnected();
  lease_changed();
  if (leaving_) return;
  spdlog::warn("{}: {}{}", tag(), why, bot_ && life_.goal() ? "; the bot goes on" : "");
}

/// Another agent uses our config, and the master has given it our slot.
void Agent::uplink_refused(const std::string& why) {
  lease_.end(BootClock::now());
  lease_changed();
  if (leaving_) return;
  spdlog::error("{}: {}; this agent runs no bot, and tries again", tag(), why);
  stop_soon();
}

void Agent::uplink_heard() {
  lease_.heard(BootClock::now());
  (void)lease_page_.write(lease_.until());
}

// ---- the lease ----

/// Sends three requests per lease term. Each answer renews the lease, counted from the time of its request.
void Agent::ask_for_lease() {
  if (!uplink_.up()) return;
  const auto term = lease_.wanted_term();
  lease_timer_.expires_after(std::min(term, lease_.term()) / 3);
  lease_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) ask_for_lease();
  });
  if (std::exchange(asking_for_lease_, true)) return;
  const auto asked = BootClock::now();
  lease_.asking(asked, term);
  lease_changed();
  uplink_.request("lease", {std::to_string(term.count())}, {}, term,
                  [this, term, asked](const socketio::Arguments* answer, std::string_view) {
                    asking_for_lease_ = false;
                    if (answer == nullptr) return;
                    lease_.answered(asked, term);
                    lease_changed();
                    if (term != lease_.wanted_term()) ask_for_lease();
                  });
}

void Agent::lease_changed() {
  if (lease_page_.write(lease_.until()) && bot_) bot_->look_at_lease();
  arm_master_watch();
}

void Agent::arm_master_watch() {
  if (life_.phase() == BotLife::Phase::idle || left_) return;
  master_watch_.expires_after(lease_.until() - BootClock::now());
  master_watch_.async_wait([this](boost::system::error_code error) {
    if (!error && !lost_master()) arm_master_watch();
  });
}

/// True if the lease has expired. The bot is then stopped, and nothing is started until there is a new
/// connection to the master.
bool Agent::lost_master() {
  if (!lease_.over(BootClock::now())) return false;
  if (life_.goal()) {
    spdlog::error(
        "{}: nothing was heard of the master for {}: the bot is stopped, since its id may go to another",
        tag(), format_duration(lease_.term()));
    stop_soon();
  }
  // What it has sent meanwhile may be old. An agent without a bot needs a new connection as well: it would
  // obey nothing on this one.
  if (uplink_.up()) uplink_.drop("nothing was heard of the master in time");
  return true;
}

/// The keeper kills the bot kLostGrace after the end of its lease. A keeper that fails to do so is killed
/// itself.
void Agent::stop_soon() {
  obey(life_.set_goal(std::nullopt, now()));
  arm_kill(kLostGrace + kKeeperMargin);
}

/// A fallback for a keeper that does not react, for example because the bot keeps sending it SIGSTOP.
void Agent::arm_kill(Millis patience) {
  kill_timer_.expires_after(patience);
  kill_timer_.async_wait([this, generation = bot_generation_](boost::system::error_code error) {
    if (!error && bot_ && generation == bot_generation_) bot_->kill_keeper();
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
  } else if (name == "permit") {
    on_permit(arguments);
  } else if (name == "evalRequest") {
    const auto script = text(0);
    if (!script) return answer(error_outcome("TypeError", "evalRequest takes a script as text"));
    ask_bot(answer, [&](Channel& channel) { channel.eval(*script, answer); });
  } else if (name == "fetchProp") {
    const auto prop = text(0);
    if (!prop) return answer(error_outcome("TypeError", "fetchProp takes a path as text"));
    ask_bot(answer, [&](Channel& channel) { channel.fetch_prop(*prop, answer); });
  } else if (name == "logs") {
    if (shared_.options.log_lines == 0) {
      return answer(error_outcome("Error", "its agent runs with --log-lines 0 and keeps no output"));
    }
    answer(output_.answer(arguments.json.empty() ? "" : arguments.json.front()));
  } else if (name == "message") {
    const auto from = arguments.json.size() < 2 ? std::nullopt : parse_int<std::int64_t>(arguments.json[1]);
    if (!from) return answer(error_outcome("TypeError", "message takes data and the sender's shard id"));
    ask_bot(answer, [&](Channel& channel) {
      channel.message(arguments.json.front(), *from, ack_id ? answer : Answer{});
    });
  } else if (name == "masterKey") {
    shared_.tasks.spawn("take the master's key",
                        on_master_key(text(0).value_or(""), text(1).value_or(""), answer), failed(answer));
  } else if (name == "writeFile") {
    on_write_file(std::move(arguments), std::move(answer));
  } else if (name == "getFile") {
    on_get_file(arguments, std::move(answer));
  } else {
    spdlog::warn("{}: the master sent \"{}\", which this agent does not know", tag(), name.substr(0, 64));
    answer(error_outcome("Error", "this agent does not support that event"));
  }
}

/// The master's next key, signed with its current one. Once verified, it is written to the config and trusted
/// from now on.
net::Task<> Agent::on_master_key(std::string pem, std::string signature, Answer answer) {
  if (!crypto::verify(config_->master_key, wire::next_key_text(pem), signature) ||
      !crypto::check_public_key(pem)) {
    spdlog::error("{}: a new key for the master came with a wrong signature; ignored", tag());
    answer(error_outcome("Error", "the new key is not signed by the master that this config trusts"));
    co_return;
  }
  const auto written =
      co_await net::run_in(shared_.pool, [this, &pem] { return write_master_key(config_->file, pem); });
  if (!written) {
    spdlog::error("{}: the master's new key is not in its config: {}", tag(), written.error().message);
    answer(error_outcome("Error", written.error().message));
    co_return;
  }
  config_->master_key = std::move(pem);
  spdlog::info("{}: the master has a new key, which is in {} now", tag(), config_->file.string());
  answer({true, "null"});
}

Agent::Answer Agent::answer_to_master(std::optional<socketio::AckId> ack_id) {
  if (!ack_id) return [](const Outcome&) {};
  return [this, id = *ack_id, generation = uplink_.generation()](const Outcome& outcome) {
    if (generation != uplink_.generation()) return;
    if (outcome.json.size() + kPacketOverhead > uplink_.max_payload()) {
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
  Assignment assignment;
  fleet::read(update, fleet::kUpdateFields, assignment);
  ShardId id;
  json::read(update, "id", id);
  std::string identify;
  json::read(update, "identify", identify);
  json::read(update, "master", is_master_);
  if (const auto* const config = json::object_at(update, "config")) {
    json::read(*config, "botName", bot_name_);
    read(*config, "nodeArgs", node_args_);
    read(*config, "botArgs", bot_args_);
    if (const auto* const heartbeat = json::object_at(*config, "heartbeat")) {
      std::string style = asks_for_statuses_ ? "pull" : "push";
      json::read(*heartbeat, "updateStyle", style);
      asks_for_statuses_ = style == "pull";
      read(*heartbeat, "interval", interval_);
      auto term = lease_.wanted_term();
      read(*heartbeat, "assumeDeadAfter", term);
      if (term != lease_.wanted_term()) {
        lease_.set_term(term);
        lease_changed();
        ask_for_lease();
      }
    }
  }
  if (leaving_ || lost_master()) return;
  constexpr ShardId kLeave{-2};  // source: WIRE.md, `update`: the agent is dismissed
  if (id == kLeave) {
    spdlog::info("{}: the master says that this agent is to end", tag());
    return stop();
  }
  const auto goal =
      assignment.bound() && assignment.count.value > 0 ? std::optional(assignment) : std::nullopt;
  if (goal != life_.goal()) {
    spdlog::info(
        "{}: {}", tag(),
        goal ? "shard id " + fleet::ids_text(assignment) + " of " + std::to_string(assignment.count.value)
             : "no shard id for now");
  }
  life_.ask_first(identify == "ask");
  obey(life_.set_goal(goal, now()));
  if (identify != "ask") obey(life_.granted(now()));
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
    if (!error && !lost_master()) obey(life_.respawn(now()));
  });
}

}  // namespace smaster::agent
