#include "server/admission/bot_events.hpp"

#include <algorithm>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "records/gateway_watch.hpp"
#include "server/shards/shard_event.hpp"

namespace smaster::server {
namespace {

using fleet::EventKind;

BotSeen seen_of(const fleet::BotReport& bot) {
  BotSeen seen{true, bot.pid, bot.deaths, {}};
  seen.gateways.reserve(bot.gateways.size());
  for (const auto& gateway : bot.gateways) {
    seen.gateways.push_back(
        {gateway.id, gateway.state == "ready", gateway.code, gateway.logins, gateway.resumes});
  }
  return seen;
}

std::string close_text(std::int64_t code) {
  const auto words = fleet::refusal_words(code);
  return std::to_string(code) + (words.empty() ? "" : ", " + std::string(words));
}

/// "exit 1", "signal 9"; "other" for what is none: agents write it, and a label has few values.
std::string exit_label(std::string_view exit) {
  const auto number = [exit](std::string_view word) {
    return exit.starts_with(word) ? parse_int<int>(exit.substr(word.size())).value_or(-1) : -1;
  };
  if (const auto code = number("exit "); code >= 0 && code <= 255) return "exit " + std::to_string(code);
  if (const auto signal = number("signal "); signal > 0 && signal <= 64) {
    return "signal " + std::to_string(signal);
  }
  return "other";
}

/// The codes of RFC 6455 and of Discord; "none" for 0.
std::string close_label(std::int64_t code) {
  if (code == 0) return "none";
  return (code >= 1000 && code <= 1015) || (code >= 4000 && code <= 4014) ? std::to_string(code) : "other";
}

/// Adds what came since the last status. Agents write the numbers: of one status at most 100 count.
void count(std::uint64_t& total, std::int64_t was, std::int64_t is) {
  constexpr std::uint64_t kMost = 100;
  if (is > was) total += std::min(static_cast<std::uint64_t>(is) - static_cast<std::uint64_t>(was), kMost);
}

/// What happened to one gateway connection.
void record_gateway(Events& events, Metrics& metrics, const Shard& shard, const GatewaySeen& before,
                    const GatewaySeen& now) {
  count(metrics.logins["identify"], before.logins, now.logins);
  count(metrics.logins["resume"], before.resumes, now.resumes);
  const auto record = [&](EventKind kind, const std::string& what) {
    if (kind == EventKind::closed) ++metrics.closes[close_label(now.code)];
    auto event = about(shard, kind,
                       "shard " + shard.info.id.str() + " (id " + std::to_string(now.id.value) + ") " + what);
    event.ids = std::to_string(now.id.value);
    events.record(std::move(event));
  };
  const bool again = now.logins > before.logins || now.resumes > before.resumes;
  if (before.ready && (!now.ready || again)) {
    record(EventKind::closed, now.code != 0 ? "lost its gateway: close code " + close_text(now.code)
                                            : "lost its gateway connection");
  } else if (!now.ready && now.code != 0 && now.code != before.code) {
    record(EventKind::closed, "cannot log in: close code " + close_text(now.code));
  }
  if (!now.ready || (before.ready && !again)) return;
  if (now.resumes > before.resumes) {
    record(EventKind::resumed, "has resumed its session");
  } else {
    record(EventKind::ready, "is logged in");
  }
}

}  // namespace

std::string last_words(const Shard& shard) {
  if (!shard.status || !shard.status->bot) return {};
  std::string text;
  for (const auto& line : shard.status->bot->last_lines) {
    text += (text.empty() ? "its last lines:\n| " : "\n| ") + outlet::terminal(line);
  }
  return text;
}

void record_changes(Events& events, Metrics& metrics, Shard& shard, const fleet::ShardStatus& status,
                    bool became_ready) {
  // Called for each status, so texts are made only for what is recorded.
  const auto named = [&] {
    return "shard " + shard.info.id.str() + " (id " + fleet::ids_text(status.current) + ')';
  };
  const auto tell_ready = [&] {
    if (became_ready) events.record(about(shard, EventKind::ready, named() + " is ready"));
  };
  if (!status.bot) return tell_ready();
  const auto& bot = *status.bot;
  if (shard.bot_seen.known && shard.bot_seen.pid == bot.pid && shard.bot_seen.deaths == bot.deaths &&
      shard.bot_seen.same_gateways(bot.gateways)) {
    if (bot.gateways.empty()) tell_ready();
    return;
  }
  auto now = seen_of(bot);
  const auto before = std::exchange(shard.bot_seen, std::move(now));
  if (!before.known) return;
  const auto& seen = shard.bot_seen;
  if (seen.deaths > before.deaths) {
    count(metrics.deaths[exit_label(bot.last_exit)], before.deaths, seen.deaths);
    const auto next = bot.next_start_in > 0
                          ? "; it is started again in " + format_duration(Millis{bot.next_start_in})
                          : std::string();
    const auto exit = bot.last_exit.empty() ? std::string() : " (" + bot.last_exit + ')';
    auto died =
        about(shard, EventKind::died, "the bot of shard " + shard.info.id.str() + " died" + exit + next);
    died.details = last_words(shard);
    events.record(std::move(died));
  } else if (before.pid > 0 && seen.pid <= 0) {
    events.record(
        about(shard, EventKind::stopped, "the bot of shard " + shard.info.id.str() + " has stopped"));
  }
  if (seen.pid > 0 && seen.pid != before.pid) {
    events.record(about(shard, EventKind::started,
                        "the bot of " + named() + " is started, process " + std::to_string(seen.pid)));
  }
  if (seen.gateways.empty()) return tell_ready();
  for (const auto& gateway : seen.gateways) {
    const auto old = std::find_if(before.gateways.begin(), before.gateways.end(),
                                  [&](const auto& each) { return each.id == gateway.id; });
    const bool same_process = seen.pid == before.pid && old != before.gateways.end();
    record_gateway(events, metrics, shard, same_process ? *old : GatewaySeen{gateway.id}, gateway);
  }
}

}  // namespace smaster::server
