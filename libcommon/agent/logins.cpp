#include "agent/logins.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "fleet/gateway_watch.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

constexpr std::size_t kMaxLibrary = 64;
constexpr std::size_t kMaxWhy = 200;
constexpr std::size_t kMaxLibraries = 8;

std::string text_of(const boost::json::object& object, std::string_view key, std::size_t most) {
  std::string text;
  json::read(object, key, text);
  if (text.size() > most) text.resize(most);
  return text;
}

std::int64_t number_of(const boost::json::object& object, std::string_view key, std::int64_t otherwise) {
  json::read(object, key, otherwise);
  return otherwise;
}

/// How a line for the bot begins: marked, where the line that it answers was.
std::string begin_line(bool marked) { return marked ? R"({"cmd":"NODE_SMASTER",)" : "{"; }

}  // namespace

void Logins::started(const std::vector<ShardId>& ids) {
  ids_ = {ids.begin(), ids.end()};
  questions_.clear();
  permits_.clear();
  gateways_.clear();
  libraries_.clear();
  hooks_.clear();
  greeted_ = false;
}

void Logins::ended(bool died) {
  questions_.clear();
  permits_.clear();
  gateways_.clear();
  sink_.tell_master(died ? "died" : "ended", kNoShard, 0, Millis{0});
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
      on_ask(ShardId{*id}, std::string(number), marked, now);
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
  const auto library = text_of(object, "library", kMaxLibrary);
  if (library.empty()) return;
  bool identify = false;
  json::read(object, "identify", identify);
  const auto name = library.substr(0, library.find(' '));
  if (!libraries_.contains(name) && libraries_.size() >= kMaxLibraries) return;
  libraries_[name] = identify;
  const auto why = text_of(object, "why", kMaxWhy);
  if (!hooks_.empty()) hooks_ += ", ";
  hooks_ += library + (identify ? "" : " (does not ask" + (why.empty() ? "" : ": " + why) + ")");
  if (hooks_.size() > 2 * kMaxWhy) hooks_.resize(2 * kMaxWhy);
  set_asks(std::all_of(libraries_.begin(), libraries_.end(), [](const auto& found) { return found.second; }));
}

void Logins::set_asks(bool asks) {
  asks_ = asks;
  sink_.tell_master(asks ? "asks" : "mute", kNoShard, 0, Millis{0});
  sink_.logins_changed();
}

void Logins::on_ask(ShardId id, const std::string& number, bool marked, Instant now) {
  Question question{number, marked, 0, now};
  if (!ids_.contains(id)) {
    const auto error =
        R"({"name":"Error","message":"shard )" + std::to_string(id.value) + R"( is not this process's"})";
    return sink_.login_line(begin_line(marked) + R"("_sIdentify":)" + std::to_string(id.value) +
                            R"(,"_sId":)" + number + R"(,"_error":)" + error + "}\n");
  }
  if (libraries_.empty() && !asks_) set_asks(true);  // a bot that speaks for itself
  gateways_[id].report.state = "waiting";
  auto& kept = questions_[id] = question;
  send_ask(id, kept, now);
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
  // Of an earlier question: it was asked later than that one, so what it is worth would be counted wrongly.
  const auto until = question.asked + waited + kPermitUse;
  if (error.empty() && (question.ask != ask || now > until)) {
    sink_.tell_master("cancel", id, ask, Millis{0});
    if (question.ask == ask) send_ask(id, question, now);
    return;
  }
  const auto head = begin_line(question.marked) + R"("_sIdentify":)" + std::to_string(id.value) +
                    R"(,"_sId":)" + question.id_json;
  if (!error.empty()) {
    questions_.erase(found);
    return sink_.login_line(head + R"(,"_error":{"name":"Error","message":)" + json::quote(error) + "}}\n");
  }
  const auto steady = std::chrono::duration_cast<Millis>(until.time_since_epoch()).count();
  permits_[id] = question;
  questions_.erase(found);
  sink_.login_line(head + R"(,"_result":{"until":)" + std::to_string(steady) + "}}\n");
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
  return first;
}

void Logins::tick(Instant now) {
  for (auto& [id, question] : questions_) {
    if (now >= question.asked + kAskAgain) send_ask(id, question, now);
  }
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
  const auto event = text_of(object, "event", kMaxLibrary);
  if (event == "identify_sent") {
    const auto at = number_of(object, "at", -1);
    const auto steady = std::chrono::duration_cast<Millis>(now.time_since_epoch()).count();
    const auto ago = at < 0 ? Millis{0} : std::clamp(Millis{steady - at}, Millis{0}, Millis{60'000});
    std::uint64_t ask = 0;
    const auto* const number = object.if_contains("ask");
    if (const auto permit = permits_.find(id); permit != permits_.end() && number != nullptr) {
      if (json::serialize(*number) == permit->second.id_json) {
        ask = permit->second.ask;
        permits_.erase(permit);
      }
    }
    report.state = "logging in";
    ++report.logins;
    sink_.tell_master("sent", id, ask, ago);
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
    report.state = !fleet::refusal_words(report.code).empty() ? "refused" : "disconnected";
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
    return;  // with the next status
  } else {
    return;
  }
  sink_.logins_changed();
}

std::optional<bool> Logins::ready() const {
  if (gateways_.empty()) return std::nullopt;
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
