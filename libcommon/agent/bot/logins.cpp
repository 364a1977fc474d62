#include "agent/bot/logins.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "agent/bot/hooks.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "records/gateway_watch.hpp"

namespace smaster::agent {
namespace {

constexpr std::size_t kMaxHooks = 400;
constexpr std::size_t kMaxLibraries = 8;

/// Clamped to ±2^53, which JavaScript represents exactly: sums of such numbers cannot overflow.
std::int64_t number_of(const boost::json::object& object, std::string_view key, std::int64_t otherwise) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  json::read(object, key, otherwise);
  return std::clamp(otherwise, -kMost, kMost);
}

/// Start of a line to the bot, marked with `cmd` if the line that it answers was.
std::string begin_line(bool marked) { return marked ? R"({"cmd":"NODE_SMASTER",)" : "{"; }

constexpr const char* kRefused = "refused";

/// Start of an answer on the channel.
std::string answer_head(ShardId id, const std::string& number, bool marked) {
  return begin_line(marked) + R"("_sIdentify":)" + std::to_string(id.value) + R"(,"_sId":)" + number;
}

}  // namespace

void Logins::started(const std::vector<ShardId>& ids) {
  ids_ = {ids.begin(), ids.end()};
  questions_.clear();
  permits_.clear();
  gateways_.clear();
  assumed_.clear();
  untold_.clear();
  libraries_.clear();
  hooks_.clear();
  greeted_ = false;
}

void Logins::ended(bool died) {
  while (!assumed_.empty()) assume_sent(assumed_.begin()->first);
  questions_.clear();
  permits_.clear();
  // Keep refusals by Discord, as the reason why the bot ended: most bots end at once after one.
  std::erase_if(gateways_, [](const auto& gateway) { return gateway.second.report.state != kRefused; });
  sink_.tell_master(died ? "died" : "ended", kNoShard, 0, Millis{0});
}

void Logins::hung_up() {
  if (asks_) set_asks(false);
}

bool Logins::receive(std::string_view line, Instant now) {
  if (line.find("\"_sHooks\"") == line.npos && line.find("\"_sIdentify\"") == line.npos &&
      line.find("\"_sGateway\"") == line.npos) {
    return false;
  }
  const auto members = json::split_object(line);
  if (!members) return false;
  std::string_view hello, gateway, id_text, number, cmd, cancel;
  for (const auto& [name, value] : *members) {
    auto* const field = name == "_sHooks"      ? &hello
                        : name == "_sGateway"  ? &gateway
                        : name == "_sIdentify" ? &id_text
                        : name == "_sId"       ? &number
                        : name == "cmd"        ? &cmd
                        : name == "cancel"     ? &cancel
                                               : nullptr;
    if (field != nullptr) *field = value;
  }
  const bool marked = !cmd.empty();
  if (!hello.empty()) {
    on_hello(hello, marked);
  } else if (!gateway.empty()) {
    on_gateway(gateway, now);
  } else if (const auto id = parse_int<std::int32_t>(id_text); id && parse_int<std::int64_t>(number)) {
    if (json::truthy(cancel)) {
      on_cancel(ShardId{*id}, std::string(number));
    } else {
      on_ask(ShardId{*id}, {std::string(number), marked}, now);
    }
  } else {
    return marked;
  }
  return true;
}

void Logins::on_hello(std::string_view text, bool marked) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return;
  const auto& object = value->get_object();
  if (!std::exchange(greeted_, true)) {
    sink_.login_line(begin_line(marked) + R"("_sHooks":{"version":1}})" + "\n");
  }
  const auto library = read_library(object);
  if (!library) return;
  const auto name = library->name.substr(0, library->name.find(' '));
  if (!libraries_.contains(name) && libraries_.size() >= kMaxLibraries) return;
  libraries_[name] = {library->asks, library->words()};
  hooks_.clear();
  for (const auto& [each, found] : libraries_) hooks_ += (hooks_.empty() ? "" : ", ") + found.words;
  if (hooks_.size() > kMaxHooks) hooks_.resize(kMaxHooks);
  set_asks(
      std::all_of(libraries_.begin(), libraries_.end(), [](const auto& found) { return found.second.asks; }));
}

void Logins::set_asks(bool asks) {
  asks_ = asks;
  sink_.tell_master(asks ? "asks" : "mute", kNoShard, 0, Millis{0});
  sink_.logins_changed();
}

Logins::Ticket Logins::ask(std::optional<ShardId> id, Answer answer, Instant now) {
  Ticket ticket{id.value_or(ids_.size() == 1 ? *ids_.begin() : kNoShard),
                '#' + std::to_string(next_ticket_++)};
  if (!ticket.id.bound() && !id) {
    answer("which shard? This process has several: name one with ?shard=N");
  } else {
    on_ask(ticket.id, {.id_json = ticket.number, .answer = std::move(answer)}, now);
  }
  return ticket;
}

void Logins::withdraw(const Ticket& ticket) {
  on_cancel(ticket.id, ticket.number);
  if (!questions_.contains(ticket.id)) drop_untold(ticket.id);
}

void Logins::delivered(const Ticket& ticket, Instant now) {
  assumed_[ticket.id] = {ticket.number, now + kHttpUse};
  if (const auto gateway = gateways_.find(ticket.id); gateway != gateways_.end()) {
    gateway->second.report.state = "logging in";
    ++gateway->second.report.logins;
  }
  drop_untold(ticket.id);
  if (!gateways_.contains(ticket.id)) untold_.insert(ticket.id);
  sink_.logins_changed();
}

/// An IDENTIFY that the bot does not report is counted as sent when it can no longer be later, or when its
/// process ends.
void Logins::assume_sent(ShardId id) {
  const auto assumed = assumed_.extract(id);
  if (!assumed.empty()) sent(id, assumed.mapped().number, Millis{0});
}

/// Drops the state of a gateway that the bot does not report on its channel: the result of an HTTP login is
/// unknown.
void Logins::drop_untold(ShardId id) {
  const auto gateway = gateways_.find(id);
  if (gateway != gateways_.end() && !gateway->second.told) gateways_.erase(gateway);
}

void Logins::on_ask(ShardId id, Question question, Instant now) {
  if (!ids_.contains(id)) {
    if (!question.answer) sink_.login_foreign(id);
    return refuse(id, question, "shard " + std::to_string(id.value) + " is not this process's");
  }
  if (libraries_.empty() && !asks_) set_asks(true);  // a bot that uses the protocol without hooks
  assume_sent(id);                                   // an earlier permit is used by now, or never will be
  auto& gateway = gateways_[id];
  gateway.report.state = "waiting";
  gateway.told = gateway.told || !question.answer;
  auto& kept = questions_[id];
  const auto earlier = std::exchange(kept, std::move(question));
  send_ask(id, kept, now);
  if (earlier.answer) refuse(id, earlier, "shard " + std::to_string(id.value) + " was asked for again since");
}

/// Answers that the shard may not log in.
void Logins::refuse(ShardId id, const Question& question, const std::string& why) {
  if (question.answer) return question.answer(why);
  sink_.login_line(answer_head(id, question.id_json, question.marked) +
                   R"(,"_error":{"name":"Error","message":)" + json::quote(why) + "}}\n");
}

void Logins::send_ask(ShardId id, Question& question, Instant now) {
  question.ask = next_ask_++;
  question.asked = now;
  sink_.ask_master(id, question.ask);
}

void Logins::on_cancel(ShardId id, const std::string& number) {
  for (auto* const kept : {&questions_, &permits_}) {
    const auto found = kept->find(id);
    if (found == kept->end() || found->second.id_json != number) continue;
    const auto ask = found->second.ask;
    kept->erase(found);
    sink_.tell_master("cancel", id, ask, Millis{0});
  }
}

void Logins::answered(ShardId id, std::uint64_t ask, Millis waited, std::string_view error, Instant now) {
  const auto found = questions_.find(id);
  if (found == questions_.end()) {
    if (error.empty()) sink_.tell_master("cancel", id, ask, Millis{0});
    return;
  }
  auto& question = found->second;
  // A permit for an earlier `ask` is returned to the master: its validity would be counted from the wrong
  // time.
  const auto until = question.asked + waited + kPermitUse;
  if (error.empty() && (question.ask != ask || now > until)) {
    sink_.tell_master("cancel", id, ask, Millis{0});
    if (question.ask == ask) send_ask(id, question, now);
    return;
  }
  auto taken = std::move(question);
  questions_.erase(found);
  if (!error.empty()) {
    if (taken.answer) drop_untold(id);
    return refuse(id, taken, std::string(error));
  }
  const auto answer = std::exchange(taken.answer, {});
  const auto& permit = permits_[id] = std::move(taken);
  if (answer) return answer({});
  const auto steady = std::chrono::duration_cast<Millis>(until.time_since_epoch()).count();
  sink_.login_line(answer_head(id, permit.id_json, permit.marked) + R"(,"_result":{"until":)" +
                   std::to_string(steady) + "}}\n");
}

void Logins::connected(Instant now) {
  if (asks_) sink_.tell_master("asks", kNoShard, 0, Millis{0});
  for (auto& [id, question] : questions_) send_ask(id, question, now);
}

std::optional<Instant> Logins::deadline() const {
  std::optional<Instant> first;
  for (const auto& [id, question] : questions_) {
    const auto at = question.asked + kAskAgain;
    first = std::min(first.value_or(at), at);
  }
  for (const auto& [id, assumed] : assumed_) first = std::min(first.value_or(assumed.at), assumed.at);
  return first;
}

void Logins::tick(Instant now) {
  for (auto& [id, question] : questions_) {
    if (now >= question.asked + kAskAgain) send_ask(id, question, now);
  }
  std::vector<ShardId> due;
  for (const auto& [id, assumed] : assumed_) {
    if (now >= assumed.at) due.push_back(id);
  }
  for (const auto id : due) assume_sent(id);
}

void Logins::on_gateway(std::string_view text, Instant now) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return;
  const auto& object = value->get_object();
  const ShardId id{
      static_cast<std::int32_t>(std::clamp<std::int64_t>(number_of(object, "shard", -1), -1, 1 << 30))};
  if (!ids_.contains(id)) return;
  auto& gateway = gateways_[id];
  auto& report = gateway.report;
  gateway.told = true;
  std::string event;
  json::read(object, "event", event);
  if (event == "identify_sent") {
    const auto at = number_of(object, "at", -1);
    const auto steady = std::chrono::duration_cast<Millis>(now.time_since_epoch()).count();
    const auto ago = at < 0 ? Millis{0} : std::clamp(Millis{steady - at}, Millis{0}, Millis{60'000});
    const auto* const number = object.if_contains("ask");
    report.state = "logging in";
    ++report.logins;
    const auto assumed = assumed_.extract(id);
    sent(id,
         !assumed.empty()    ? assumed.mapped().number
         : number == nullptr ? ""
                             : json::serialize(*number),
         ago);
  } else if (event == "ready" || event == "resumed") {
    report.state = "ready";
    report.code = 0;
    report.guilds = number_of(object, "guilds", report.guilds);
    if (event == "resumed") ++report.resumes;
    if (event == "ready") sink_.tell_master("ready", id, 0, Millis{0});
  } else if (event == "invalid_session") {
    report.state = "disconnected";
  } else if (event == "closed" || event == "gave_up") {
    report.code = number_of(object, "code", 1006);
    report.state = !fleet::refusal_words(report.code).empty() ? kRefused : "disconnected";
  } else if (event == "figures") {
    gateway.heard = now;
    report.ping = number_of(object, "ping", -1);
    report.acks_missed = number_of(object, "acksMissed", 0);
    report.events = number_of(object, "events", 0);
    report.guilds = number_of(object, "guilds", report.guilds);
    report.logins = number_of(object, "logins", report.logins);
    report.resumes = number_of(object, "resumes", report.resumes);
    report.loop_delay = number_of(object, "loopDelay", -1);
    const auto last = number_of(object, "lastEvent", -1);
    gateway.last_event =
        last < 0 ? std::nullopt : std::optional(now - Millis{std::min<std::int64_t>(last, 1LL << 40)});
    return;  // sent with the next status
  } else {
    return;
  }
  sink_.logins_changed();
}

/// Reports an IDENTIFY, with the permit for question `number` if there is one.
void Logins::sent(ShardId id, const std::string& number, Millis ago) {
  std::uint64_t ask = 0;
  if (const auto permit = permits_.find(id); permit != permits_.end() && permit->second.id_json == number) {
    ask = permit->second.ask;
    permits_.erase(permit);
  }
  sink_.tell_master("sent", id, ask, ago);
}

std::optional<bool> Logins::ready() const {
  if (gateways_.empty()) {
    // HTTP logins that the bot does not report: ready once all permits were given and have been used.
    const bool permitted = !untold_.empty() && untold_.size() == ids_.size();
    return permitted ? std::optional(assumed_.empty()) : std::nullopt;
  }
  return gateways_.size() == ids_.size() &&
         std::all_of(gateways_.begin(), gateways_.end(),
                     [](const auto& gateway) { return gateway.second.report.state == "ready"; });
}

std::vector<fleet::GatewayReport> Logins::gateways(Instant now) const {
  std::vector<fleet::GatewayReport> reports;
  const auto since = [now](const std::optional<Instant>& then) {
    return then ? std::chrono::duration_cast<Millis>(now - *then).count() : -1;
  };
  for (const auto& [id, gateway] : gateways_) {
    auto& report = reports.emplace_back(gateway.report);
    report.id = id;
    report.heard = since(gateway.heard);
    report.last_event = since(gateway.last_event);
  }
  return reports;
}

}  // namespace smaster::agent
