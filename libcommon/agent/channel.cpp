#include "agent/channel.hpp"

#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// A line's members by name; as in JavaScript, the last of equal names counts.
using Members = std::map<std::string, std::string_view, std::less<>>;

std::string_view member(const Members& members, std::string_view name) {
  const auto found = members.find(name);
  return found == members.end() ? std::string_view() : found->second;
}

std::optional<std::string> text_member(const Members& members, std::string_view name) {
  return json::truthy(member(members, name)) ? json::unquote(member(members, name)) : std::nullopt;
}

std::optional<std::int64_t> number_member(const Members& members, std::string_view name) {
  return parse_int<std::int64_t>(member(members, name));
}

/// `{…kept as the bot wrote it…` without the closing brace, for its answer to be put behind.
std::string echo(const Members& members, std::initializer_list<std::string_view> names) {
  std::string text = "{";
  for (const auto name : names) {
    const auto value = member(members, name);
    if (value.empty()) continue;
    if (text.size() > 1) text += ',';
    text += json::quote(name);
    text += ':';
    text += value;
  }
  return text;
}

std::string with_outcome(const std::string& head, const Outcome& outcome) {
  return head + (outcome.ok ? R"(,"_result":)" : R"(,"_error":)") + outcome.json + "}\n";
}

/// What the bot's answer says: an error where there is one, else the result, which JavaScript leaves out when
/// it is undefined.
Outcome outcome_of(const Members& members) {
  if (json::truthy(member(members, "_error"))) return error_outcome(member(members, "_error"));
  const auto result = member(members, "_result");
  return {true, std::string(result.empty() ? "null" : result)};
}

}  // namespace

Outcome error_outcome(std::string_view name, std::string_view message) {
  const auto stack = std::string(name) + ": " + std::string(message);
  return {false, R"({"name":)" + json::quote(name) + R"(,"message":)" + json::quote(message) +
                     R"(,"stack":)" + json::quote(stack) + '}'};
}

Outcome error_outcome(std::string_view json) {
  if (json.starts_with('{')) return {false, std::string(json)};
  return error_outcome("Error", json::unquote(json).value_or(std::string(json)));
}

void Channel::receive(std::string_view line) {
  alive_ = true;
  if (line.starts_with('"')) {
    // SpikeyBot's children write what they want of the master as a bare text.
    auto text = json::unquote(line);
    if (text && text->starts_with("reboot")) sink_.bot_request(request::Reboot{std::move(*text)}, "");
    return;
  }
  const auto split = json::split_object(line);
  if (!split) return;
  Members members;
  for (const auto& [name, value] : *split) members.insert_or_assign(name, value);
  const auto has = [&](std::string_view name) { return json::truthy(member(members, name)); };

  if (has("_ready")) return sink_.bot_state(BotState::ready);
  if (has("_disconnect")) return sink_.bot_state(BotState::disconnected);
  if (has("_reconnecting")) return sink_.bot_state(BotState::reconnecting);
  if (has("_resume")) return sink_.bot_state(BotState::resumed);

  if (auto prop = text_member(members, "_sFetchProp")) {
    const auto shard = number_member(members, "_sFetchPropShard");
    return sink_.bot_request(request::FetchProp{std::move(*prop), shard},
                             echo(members, {"_sFetchProp", "_sFetchPropShard", "_sId"}));
  }
  if (auto script = text_member(members, "_sEval")) {
    const auto shard = number_member(members, "_sEvalShard");
    return sink_.bot_request(request::Eval{std::move(*script), shard},
                             echo(members, {"_sEval", "_sEvalShard", "_sId"}));
  }
  if (has("_sRespawnAll")) {
    return sink_.bot_request(request::RespawnAll{std::string(member(members, "_sRespawnAll"))}, "");
  }
  if (auto query = text_member(members, "_sSQL")) {
    return sink_.bot_request(request::Sql{std::move(*query)}, echo(members, {"_sSQL", "_sId"}));
  }
  if (auto name = text_member(members, "_sWriteFile")) {
    return sink_.bot_request(request::WriteFile{std::move(*name)}, echo(members, {"_sWriteFile", "_sId"}));
  }
  if (auto name = text_member(members, "_sGetFile")) {
    return sink_.bot_request(request::GetFile{std::move(*name), number_member(members, "_sGetFileM")},
                             echo(members, {"_sGetFile", "_sGetFileM", "_sId"}));
  }
  if (members.contains("_sMessage") || members.contains("_sRequest")) {
    const bool wants_reply = members.contains("_sRequest");
    const auto timeout = number_member(members, "_sTimeout");
    request::Message message{std::string(member(members, "_sTo")),
                             std::string(member(members, wants_reply ? "_sRequest" : "_sMessage")),
                             wants_reply,
                             timeout && *timeout > 0 ? std::optional(Millis{*timeout}) : std::nullopt};
    auto head = echo(members, {"_sId"});
    if (head.size() > 1) head = R"({"_sReply":)" + std::string(member(members, "_sId"));
    return sink_.bot_request(std::move(message), head.size() > 1 ? head : "");
  }

  if (const auto script = text_member(members, "_eval")) {
    answered(evals_, *script, outcome_of(members));
  } else if (const auto prop = text_member(members, "_fetchProp")) {
    answered(fetches_, *prop, outcome_of(members));
  } else if (members.contains("_reply")) {
    answered(messages_, std::string(member(members, "_reply")), outcome_of(members));
  }
}

void Channel::wait_for(Waiting& waiting, const std::string& key, Answer answer) {
  waiting[key].push_back(std::move(answer));
  ++waiting_;
}

void Channel::answered(Waiting& waiting, const std::string& key, const Outcome& outcome) {
  const auto found = waiting.find(key);
  if (found == waiting.end()) return;  // nobody asked, or nobody asks any more
  const auto answer = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) waiting.erase(found);
  --waiting_;
  answer(outcome);
}

void Channel::eval(const std::string& script, Answer answer) {
  wait_for(evals_, script, std::move(answer));
  sink_.to_bot(R"({"_eval":)" + json::quote(script) + "}\n");
}

void Channel::fetch_prop(const std::string& prop, Answer answer) {
  wait_for(fetches_, prop, std::move(answer));
  sink_.to_bot(R"({"_fetchProp":)" + json::quote(prop) + "}\n");
}

void Channel::message(std::string_view data_json, std::int64_t from, Answer answer) {
  const auto rest = std::string(data_json) + R"(,"_from":)" + std::to_string(from);
  if (!answer) return sink_.to_bot(R"({"_message":)" + rest + "}\n");
  const auto id = std::to_string(next_message_++);
  wait_for(messages_, id, std::move(answer));
  sink_.to_bot(R"({"_request":)" + rest + R"(,"_id":)" + id + "}\n");
}

void Channel::reply(const std::string& reply, const Outcome& outcome) {
  if (!reply.empty()) sink_.to_bot(with_outcome(reply, outcome));
}

void Channel::fail_all(const Outcome& outcome) {
  waiting_ = 0;
  for (auto* const waiting : {&evals_, &fetches_, &messages_}) {
    for (const auto& [key, answers] : std::exchange(*waiting, {})) {
      for (const auto& answer : answers) answer(outcome);
    }
  }
}

std::size_t LineReader::receive(std::string_view data, const std::function<void(std::string_view)>& line) {
  std::size_t too_long = 0;
  while (!data.empty()) {
    const auto end = data.find('\n');
    const auto part = data.substr(0, end);
    if (!skipping_ && partial_.size() + part.size() > max_line_) {
      skipping_ = true;
      ++too_long;
      partial_ = {};
    }
    if (end == std::string_view::npos) {
      if (!skipping_) partial_ += part;
      break;
    }
    if (!std::exchange(skipping_, false)) {
      if (partial_.empty()) {
        line(part);
      } else {
        partial_ += part;
        const auto whole = std::exchange(partial_, {});
        line(whole);
      }
    }
    data.remove_prefix(end + 1);
  }
  return too_long;
}

}  // namespace smaster::agent
