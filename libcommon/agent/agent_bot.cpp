// The agent's bot: start and end of its process, and its channel.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "agent/agent.hpp"
#include "agent/bot/hooks.hpp"
#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::agent {
namespace {

using net::now;
using net::wall_clock;

/// A bot that has never written anything is given this long to read a request, and this long after its start.
constexpr Millis kChannelPatience{2'000};
constexpr Millis kBeginPatience{5'000};
/// How long a keeper may take beyond the bot's grace: the bot's descendants get five seconds of their own.
constexpr Millis kKeeperPatience{10'000};
/// The daily login limit may be used up, in which case the answer comes the next day.
constexpr Millis kLoginPatience{25 * 3'600'000};
/// Backpressure: the bot's channel is not read while more bytes than this are queued for the master.
constexpr std::size_t kMostForMaster = 1u << 20;
constexpr Millis kSayAgain{10'000};  ///< for log lines that a bot can cause
constexpr const char* kNotSupported = "not supported by this bot";
constexpr const char* kHungUp =
    "the bot has closed its channel, as process.disconnect() does: it cannot be asked until it is started "
    "again";

}  // namespace

void Agent::obey(BotLife::Order order) {
  switch (order) {
    case BotLife::Order::none:
      break;
    case BotLife::Order::start:
      if (shared_.boots.enter(*this, life_.assignment()->first())) {
        start_bot();
      } else {
        life_.defer();
        spdlog::info("{}: the bot is started when others on this host have booted", tag());
      }
      break;
    case BotLife::Order::ask:
      ask_to_start();
      break;
    case BotLife::Order::stop:
      spdlog::info("{}: stopping the bot", tag());
      ready_.reset();
      if (bot_) bot_->stop();
      arm_kill(shared_.options.grace + kKeeperPatience);
      break;
  }
  arm_life();
}

/// Asks the master for permission to start the bot. Without a connection nothing is started.
void Agent::ask_to_start() {
  if (!uplink_.up()) return;
  spdlog::info("{}: asks the master when the bot may log in again", tag());
  uplink_.request("identify", {}, {}, kLoginPatience,
                  [this, generation = bot_generation_](const socketio::Arguments* answer, std::string_view) {
                    // Another bot was started in the meantime: this permission is obsolete.
                    if (generation != bot_generation_) return;
                    if (answer != nullptr && !lost_master()) obey(life_.granted(now()));
                  });
}

void Agent::may_boot() {
  if (lost_master() || life_.phase() != BotLife::Phase::queued) return shared_.boots.leave(*this);
  obey(life_.admitted(now()));
}

void Agent::arm_life() {
  const auto deadline = life_.deadline();
  if (!deadline) {
    life_timer_.cancel();
    return;
  }
  life_timer_.expires_at(*deadline);
  life_timer_.async_wait([this](boost::system::error_code error) {
    if (!error && !lost_master()) obey(life_.tick(now()));
  });
}

BotCommand Agent::bot_command(const Assignment& assignment) const {
  const auto& options = shared_.options;
  const auto id = std::to_string(assignment.first().value);
  const auto ids = assignment.ids.size() > 1 ? '[' + fleet::ids_text(assignment) + ']' : id;
  BotCommand command;
  command.words = options.command;
  const auto program = std::filesystem::path(options.command.front()).filename();
  if (program == "node" || program == "nodejs") {
    command.words.insert(command.words.begin() + 1, node_args_.begin(), node_args_.end());
  }
  command.words.insert(command.words.end(), bot_args_.begin(), bot_args_.end());
  command.environment = options.environment;
  for (const auto& variable :
       {"SHARDS=" + ids, "SHARD_ID=" + id, "SHARD_COUNT=" + std::to_string(assignment.count.value),
        std::string("SHARDING_MANAGER=true"), std::string("SHARDING_MANAGER_MODE=process"),
        "SHARDING_NAME=" + name_.str(), "SHARDING_BOT_NAME=" + bot_name_,
        std::string("SHARDING_MASTER=") + (is_master_ ? "true" : "false")}) {
    command.environment.push_back(variable);
  }
  const bool hooks = options.hooks && !forbids_hooks(command.words, command.environment);
  if (const auto folder = hooks ? hooks_folder() : std::filesystem::path(); !folder.empty()) {
    add_hooks(command.environment, folder);
  }
  if (identify_address_) command.environment.push_back("SMASTER_IDENTIFY_URL=" + identify_address_->url());
  // To a pipe Python writes in blocks of 8 KiB: its lines would come late, and the last ones of a bot that
  // dies not at all.
  if (options.log_lines > 0 &&
      std::none_of(command.environment.begin(), command.environment.end(),
                   [](const std::string& variable) { return variable.starts_with("PYTHONUNBUFFERED="); })) {
    command.environment.emplace_back("PYTHONUNBUFFERED=1");
  }
  if (options.prefix) command.prefix = '[' + name_.str() + ' ' + fleet::ids_text(assignment) + "] ";
  command.grace = options.grace;
  command.lock = lock_;
  command.lease = lease_page_.descriptor();
  return command;
}

void Agent::start_bot() {
  const auto assignment = *life_.assignment();
  spdlog::info("{}: starting the bot as shard {} of {}", tag(), fleet::ids_text(assignment),
               assignment.count.value);
  ++bot_generation_;
  ready_.reset();
  lost_gateway_ = {};
  ended_ = false;
  hung_up_ = false;
  stats_script_ = 0;
  asking_figures_ = false;
  figures_.reset();
  channel_.emplace(*this);
  logins_.started(assignment.ids);
  if (shared_.identify != nullptr) identify_address_.emplace(*shared_.identify, *this);
  start_time_ = wall_clock();
  kill_timer_.cancel();
  output_.note("(the bot starts as shard " + fleet::ids_text(assignment) + " of " +
               std::to_string(assignment.count.value) + ')');
  output_.started();
  auto started = BotProcess::start(shared_.context, bot_command(assignment), *this,
                                   shared_.options.log_lines > 0 ? &output_ : nullptr);
  if (started) {
    bot_ = std::move(*started);
    send_status();
  } else {
    bot_exited(started.error().message);
  }
}

/// Fails all pending requests at once. bot_exited follows when all descendants are gone, too.
void Agent::bot_ended(const std::string& how) {
  ended_ = true;
  channel_watch_.cancel();
  channel_->fail_all(error_outcome("Error", "the bot ended before it answered (" + end_words(how) + ")"));
}

void Agent::bot_exited(const std::string& how) {
  const bool asked_for = life_.phase() == BotLife::Phase::stopping;
  bot_.reset();
  kill_timer_.cancel();
  logins_timer_.cancel();
  identify_address_.reset();
  shared_.boots.leave(*this);
  logins_.ended(!asked_for);
  last_exit_ = how;
  last_lines_ = asked_for ? std::vector<std::string>() : output_.last_lines();
  output_.note("(the bot ended: " + end_words(how) + ')');
  stop_time_ = wall_clock();
  ready_.reset();
  bot_ended(how);
  // If this process was stopped (SIGSTOP), the keeper may have ended the bot because the lease expired. In
  // that case the bot must not be restarted.
  (void)lost_master();
  const auto order = life_.exited(now(), crypto::random_number());
  if (asked_for) {
    spdlog::info("{}: the bot ended ({})", tag(), how);
  } else {
    const auto pause =
        life_.deadline() ? std::chrono::duration_cast<Millis>(*life_.deadline() - now()) : Millis{0};
    spdlog::warn("{}: the bot died ({}){}{}", tag(), how,
                 life_.goal() ? "; it is started again in " + format_duration(pause) : "",
                 life_.crash_loop() ? "; it dies again and again" : "");
  }
  obey(order);
  send_status();
  if (leaving_ && life_.phase() == BotLife::Phase::idle) leave();
}

/// Calls `ask` if there is a bot that can answer; fails `answer` otherwise.
void Agent::ask_bot(const Answer& answer, const std::function<void(Channel&)>& ask) {
  if (!bot_ || ended_) {
    const auto id = life_.goal() ? fleet::ids_text(*life_.goal()) : "of this agent";
    // The same text as discord.js.
    return answer(
        error_outcome("Error [ShardingNoChildExists]", "Shard " + id + " has no active process or worker."));
  }
  if (hung_up_) return answer(error_outcome("Error", kHungUp));
  ask(*channel_);
  arm_channel_watch();
}

bool Agent::to_bot(std::string line) { return bot_ && bot_->send(std::move(line)); }

bool Agent::bot_may_speak() const { return uplink_.queued() < kMostForMaster; }

void Agent::bot_line(std::string_view line) {
  if (logins_.receive(line, now())) return arm_logins();
  channel_->receive(line);
}

Logins::Ticket Agent::identify_asked(const IdentifyRequest& request, Logins::Answer answer) {
  auto told = [this, answer = std::move(answer)](const std::string& refusal) {
    if (!refusal.empty() && now() >= said_refusal_ + kSayAgain) {
      said_refusal_ = now();
      spdlog::warn("{}: the bot asks by HTTP to log in: {}", tag(), refusal);
    }
    answer(refusal);
  };
  const auto count = life_.assignment()->count;
  if (request.count && request.count != count) {
    told("this process runs shards of " + std::to_string(count.value) + ", not of " +
         std::to_string(request.count->value));
    return {};
  }
  auto ticket = logins_.ask(request.id, std::move(told), now());
  arm_logins();
  return ticket;
}

void Agent::identify_delivered(const Logins::Ticket& ticket) {
  logins_.delivered(ticket, now());
  arm_logins();
}

void Agent::arm_logins() {
  const auto deadline = logins_.deadline();
  if (!deadline) return;
  logins_timer_.expires_at(*deadline);
  logins_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    logins_.tick(now());
    arm_logins();
  });
}

/// Without a connection nothing is sent: Logins::connected asks again.
void Agent::ask_master(ShardId id, std::uint64_t ask) {
  shared_.boots.leave(*this);
  if (!uplink_.up()) return;
  uplink_.emit("identify",
               {R"({"id":)" + std::to_string(id.value) + R"(,"ask":)" + std::to_string(ask) + '}'});
}

void Agent::tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) {
  if (!uplink_.up()) return;
  uplink_.emit("login",
               {R"({"event":")" + std::string(event) + R"(","id":)" + std::to_string(id.value) +
                R"(,"ask":)" + std::to_string(ask) + R"(,"ago":)" + std::to_string(ago.count()) + '}'});
}

void Agent::logins_changed() {
  if (logins_.asks()) shared_.boots.close();
  if (bot_) send_status_soon();
}

void Agent::login_foreign(ShardId id) {
  if (now() < said_foreign_ + kSayAgain) return;
  said_foreign_ = now();
  spdlog::warn(
      "{}: the bot wants to log in as shard {}, which is not its, and does not get the permit; its own are "
      "in SHARDS "
      "and SHARD_COUNT of its environment; with --no-hooks a bot logs in as it likes",
      tag(), id.value);
}

void Agent::on_permit(const socketio::Arguments& arguments) {
  const auto value = arguments.json.empty() ? Result<boost::json::value>(fail(ErrorKind::bad_data, "nothing"))
                                            : json::parse(arguments.json.front());
  if (!value || !value->is_object()) return;
  const auto& object = value->get_object();
  ShardId id;
  std::int64_t ask = 0;
  std::int64_t waited = 0;
  std::string error;
  json::read(object, "id", id);
  json::read(object, "ask", ask);
  json::read(object, "waited", waited);
  json::read(object, "error", error);
  logins_.answered(id, static_cast<std::uint64_t>(ask), Millis{std::max<std::int64_t>(waited, 0)}, error,
                   now());
  arm_logins();
}

void Agent::bot_hung_up() {
  hung_up_ = true;
  logins_.hung_up();
  channel_->fail_all(error_outcome("Error", kHungUp));
  send_status();
}

void Agent::bot_state(BotState state) {
  ready_ = state == BotState::ready || state == BotState::resumed;
  lost_gateway_ = *ready_ ? "" : state == BotState::disconnected ? "disconnected" : "logging in";
  if (*ready_) shared_.boots.leave(*this);
  figures_due_ = true;
  send_status_soon();
}

/// Fails requests to a bot that has never written anything and does not read: it does not use the channel.
void Agent::arm_channel_watch() {
  if (channel_->alive()) return;
  channel_watch_.expires_at(std::max(now() + kChannelPatience, life_.since() + kBeginPatience));
  channel_watch_.async_wait([this, generation = bot_generation_](boost::system::error_code error) {
    if (error || !bot_ || generation != bot_generation_ || channel_->alive() || bot_->all_read()) return;
    channel_->fail_all(error_outcome("Error", kNotSupported));
  });
}

}  // namespace smaster::agent
