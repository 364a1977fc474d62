#include "records/gateway_watch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace smaster::fleet {
namespace {

/// Hooks report figures every ten seconds; this allows three missing reports.
constexpr std::int64_t kFiguresLate = 35'000;
/// READY follows IDENTIFY within seconds, also for many guilds.
constexpr Millis kReadyLate{60'000};
constexpr Millis kSlot{10'000};
constexpr unsigned kSlots = 60;
/// Slots to be observed before silence is judged.
constexpr unsigned kLearning = 20;
constexpr unsigned kShortestSilence = 6;
/// Only a silence this many times longer than any earlier one counts: traffic declines gradually at night.
constexpr unsigned kBeyondPast = 5;
/// A silence counts as deafness if its chance is below e^−20.
constexpr double kImprobable = 20;
/// Acknowledgements that may be missing in normal operation: that of the last heartbeat.
constexpr std::int64_t kAcksUnderWay = 1;

}  // namespace

std::string_view to_string(Gateway gateway) {
  switch (gateway) {
    case Gateway::unknown:
      return "unknown";
    case Gateway::logging_in:
      return "logging in";
    case Gateway::running:
      return "running";
    case Gateway::disconnected:
      return "disconnected";
    case Gateway::refused:
      return "refused";
    case Gateway::deaf:
      return "deaf";
    case Gateway::hung:
      return "hung";
  }
  return "";
}

// Source: Discord's documentation, "Gateway Close Event Codes".
std::string_view refusal_words(std::int64_t code) {
  switch (code) {
    case 4004:
      return "the token is not valid; give the bot a new one";
    case 4010:
      return "the shard id is not valid for this shard count";
    case 4011:
      return "the bot has too many guilds for this shard count; raise it";
    case 4012:
      return "the library's version of the gateway is not valid; update it";
    case 4013:
      return "the intents are not valid; correct them in the bot";
    case 4014:
      return "the bot may not have these intents; allow them in Discord's developer portal";
    default:
      return "";
  }
}

/// A fixed timeout would restart quiet bots at night. If events arrived in a share p of the slots, k silent
/// slots in a row have the probability (1−p)^k.
bool GatewayWatch::is_deaf(const Past& past) {
  if (past.known < kLearning || past.slots == 0) return false;
  if (past.silent < kShortestSilence || past.silent <= kBeyondPast * past.longest) return false;
  const auto share = std::min(static_cast<double>(std::popcount(past.slots)) / past.known, 0.98);
  return past.silent * -std::log(1 - share) > kImprobable;
}

Gateway GatewayWatch::judge(const GatewayReport& report, Time now) {
  auto& past = past_[report.id];
  if (report.state == "refused" && !refusal_words(report.code).empty()) {
    code_ = report.code;
    return Gateway::refused;
  }
  if (report.heard > kFiguresLate) return Gateway::hung;
  if (report.state == "disconnected") return Gateway::disconnected;
  if (report.state == "logging in") {
    if (!past.identified) past.identified = now;
    return now > *past.identified + kReadyLate ? Gateway::disconnected : Gateway::logging_in;
  }
  past.identified.reset();
  if (report.state != "ready") return Gateway::logging_in;
  if (report.heard < 0) return Gateway::running;
  // The library will detect the dead connection itself.
  if (report.acks_missed > kAcksUnderWay) return Gateway::running;
  if (now >= past.looked + kSlot) {
    past.looked = now;
    if (report.events != past.events) {
      past.longest = std::max(past.longest, past.silent);
      past.slots = past.silent >= kSlots ? 0 : past.slots << past.silent;
      past.slots = (past.slots << 1 | 1) & ((std::uint64_t{1} << kSlots) - 1);
      past.known = std::min(past.known + past.silent + 1, kSlots);
      past.silent = 0;
      past.events = report.events;
    } else {
      ++past.silent;
    }
  }
  return is_deaf(past) ? Gateway::deaf : Gateway::running;
}

void GatewayWatch::hear(const std::vector<GatewayReport>& reports, Time now) {
  auto worst = reports.empty() ? Gateway::unknown : Gateway::running;
  // The report of a process with several ids is its worst one.
  constexpr Gateway kWorst[] = {Gateway::refused, Gateway::hung, Gateway::disconnected, Gateway::deaf,
                                Gateway::logging_in};
  const auto rank = [&](Gateway gateway) { return std::find(std::begin(kWorst), std::end(kWorst), gateway); };
  for (const auto& report : reports) {
    const auto gateway = judge(report, now);
    if (rank(gateway) < rank(worst)) worst = gateway;
  }
  if (std::exchange(standing_, worst) != worst) since_ = now;
  if (worst != Gateway::refused) code_ = 0;
}

void GatewayWatch::restarted() {
  for (auto& [id, past] : past_) past.events = -1, past.silent = 0, past.identified.reset();
  standing_ = Gateway::unknown;
}

}  // namespace smaster::fleet
