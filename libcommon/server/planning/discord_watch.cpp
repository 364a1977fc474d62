#include "server/planning/discord_watch.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <cstdlib>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "discord/gateway.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

constexpr Millis kFirstRetry{5'000};  ///< as in the original server
constexpr Millis kLongestRetry{600'000};
constexpr Millis kAskSoon{60'000};
constexpr Millis kAfterReset{1'000};  ///< clocks differ

/// The bot's token: from its file, else from its environment variable; empty when neither is configured.
Result<std::string> read_token(const Settings& settings) {
  if (!settings.token_file.empty()) {
    const auto text = read_file(settings.token_file);
    if (!text) return text.error();
    return std::string(trim(*text));
  }
  if (settings.token_env.empty()) return std::string();
  const char* const value = std::getenv(settings.token_env.c_str());
  if (value == nullptr)
    return fail(ErrorKind::bad_config, "the variable " + settings.token_env + " is not set");
  return std::string(value);
}

}  // namespace

DiscordWatch::DiscordWatch(const Parts& parts)
    : parts_(parts), pause_(parts.context.get_executor()), backoff_(kFirstRetry, kLongestRetry) {}

net::Task<> DiscordWatch::run() {
  while (!stopped_) {
    changed_ = answered_ = false;
    const auto again = co_await ask();
    asked_ = net::now();
    next_ = changed_ ? asked_ : again ? asked_ + *again : Instant::max();
    while (!stopped_ && net::now() < next_) {
      boost::system::error_code ignored;
      pause_.expires_at(next_);
      co_await pause_.async_wait(net::asio::redirect_error(net::use_task, ignored));
    }
  }
}

net::Task<std::optional<Millis>> DiscordWatch::ask() {
  const auto token = read_token(parts_.settings);
  refused_ = false;
  trouble_ = token ? "" : "[shards] token: " + token.error().message;
  if (parts_.settings.names_token() && token && token->empty()) {
    trouble_ = "[shards] token: " +
               (parts_.settings.token_file.empty() ? "the variable " + parts_.settings.token_env
                                                   : parts_.settings.token_file.string()) +
               " is empty; put the bot's token there and reload the settings";
  }
  if (!trouble_.empty()) spdlog::error("{}", trouble_);
  if (!token || token->empty()) co_return std::nullopt;
  auto endpoint = *discord::parse_api_base(parts_.settings.api_base);  // the settings were checked
  if (parts_.settings.api_base.starts_with("https:")) {
    const auto ca_file = parts_.settings.discord_ca_file;
    auto tls =
        co_await net::run_in(parts_.rendering, [&ca_file] { return net::client_tls_context(ca_file); });
    if (!tls) {
      trouble_ = "[discord]: " + tls.error().message;
      spdlog::error("{}", trouble_);
      co_return std::nullopt;
    }
    endpoint.tls = std::move(*tls);
  }
  auto answer = co_await discord::fetch_gateway_bot(parts_.context.get_executor(), endpoint, *token);
  if (stopped_) co_return std::nullopt;
  if (auto* const gateway = std::get_if<discord::GatewayBot>(&answer)) {
    backoff_.reset();
    answered_ = true;
    gateway->limits.reserve = parts_.settings.identify_reserve;
    spdlog::info("Discord recommends {} shards; {} of {} logins are left, {} at a time",
                 gateway->recommended.value, *gateway->limits.remaining, gateway->limits.total,
                 gateway->limits.max_concurrency);
    const auto fresh_in = std::chrono::duration_cast<Millis>(gateway->limits.reset_at - net::fleet_clock());
    parts_.goal.discord_says(gateway->recommended, gateway->limits);
    // At the end of the period, too. Discord says 0 while none has begun.
    const auto interval = parts_.settings.auto_detect_interval;
    co_return fresh_in > Millis{0} ? std::min(interval, fresh_in + kAfterReset) : interval;
  }
  const auto& failure = std::get<discord::GatewayFailure>(answer);
  trouble_ = failure.message;
  refused_ = failure.token_refused;
  if (failure.token_refused) {
    spdlog::error("{}; it is not asked again before the settings are reloaded", failure.message);
    co_return std::nullopt;
  }
  const auto own_pause = backoff_.next(0);  // one server asks: no jitter is needed
  const auto pause = failure.retry_after.value_or(own_pause);
  spdlog::warn("{}; asking again in {}", failure.message, format_duration(pause));
  co_return pause;
}

void DiscordWatch::settings_changed() {
  changed_ = true;
  next_ = Instant::min();
  pause_.cancel();
}

void DiscordWatch::ask_soon() {
  // After a failure Discord may have said when to ask again.
  if (!answered_ || next_ <= asked_ + kAskSoon) return;
  next_ = asked_ + kAskSoon;
  pause_.cancel();
}

void DiscordWatch::stop() {
  stopped_ = true;
  pause_.cancel();
}

}  // namespace smaster::server
