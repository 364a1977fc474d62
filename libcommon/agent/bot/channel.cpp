#include "agent/bot/channel.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// The members of a line by name. Of duplicate names the last one counts, as in JavaScript.
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

/// An object with the named members in the bot's own spelling, without the closing brace: the head of an
/// answer.
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

/// Nesting depth of arrays and objects in valid JSON.
std::size_t depth_of(std::string_view json) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      if (c == '\\') ++i;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

/// The result of a bot's answer. An error may be any thrown value, even null. A missing result means
/// undefined.
Outcome outcome_of(const Members& members) {
  const auto error = member(members, "_error");
  const auto result = member(members, "_result");
  const bool failed = json::truthy(error) || (!error.empty() && result.empty());
  const auto depth = depth_of(failed ? error : result);
  if (depth > Channel::kMaxAnswerDepth) {
    return error_outcome("RangeError", "the bot's answer nests " + std::to_string(depth) +
                                           " levels deep, more than the " +
                                           std::to_string(Channel::kMaxAnswerDepth) + " that it may");
  }
  if (failed && !json::truthy(error)) return error_outcome("Error", std::string(error) + " was thrown");
  if (failed && error == "{}") {  // discord.js sends the members that errors have
    return error_outcome("Error", "a value that is no error was thrown");
  }
  if (failed) return error_outcome(error);
  return {true, std::string(result.empty() ? "null" : result)};
}

// First letter of a question's key: the kind of question.
constexpr char kEval = 'e';
constexpr char kFetch = 'f';
constexpr char kMessage = 'm';
constexpr const char* kUnread = "the bot does not read its channel: too much that was sent to it waits there";

/// Maximum number of remembered keys without a pending question; each takes about 40 bytes.
constexpr std::size_t kMaxGivenUp = 100'000;

/// `number` in binary as spaces and tabs: whitespace behind a script does not change its meaning.
std::string mark(std::uint64_t number) {
  std::string text;
  for (; number > 0; number /= 2) text += number % 2 == 0 ? ' ' : '\t';
  return text;
}

std::string_view skip_space(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

/// The JSON string or number at the start of `text`.
std::string_view first_value(std::string_view text) {
  if (!text.starts_with('"')) return text.substr(0, text.find_first_not_of("0123456789"));
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return text.substr(0, i + 1);
    }
  }
  return {};
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
    // SpikeyBot's children send their requests as a bare string.
    auto text = json::unquote(line);
    if (text && text->starts_with("reboot")) sink_.bot_request(request::Reboot{std::move(*text)}, "");
    return;
  }
  const auto split = json::split_object(line);
  if (!split) {
    const auto parsed = json::parse(line);
    if (!parsed) blame(line, error_outcome("Error", "the bot's answer is " + parsed.error().message));
    return;
  }
  constexpr std::size_t kMostMembers = 1'000;
  if (split->size() > kMostMembers) {
    blame(line, error_outcome("RangeError", "the bot's message has " + std::to_string(split->size()) +
                                                " members, more than the " + std::to_string(kMostMembers) +
                                                " that it may"));
    return;
  }
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
    answered(kEval + *script, outcome_of(members));
  } else if (const auto prop = text_member(members, "_fetchProp")) {
    answered(kFetch + *prop, outcome_of(members));
  } else if (members.contains("_reply")) {
    answered(kMessage + std::string(member(members, "_reply")), outcome_of(members));
  }
}

void Channel::receive_too_long(std::string_view head, std::string_view tail, std::size_t limit) {
  const auto outcome = error_outcome("RangeError", "the bot's answer is longer than the " +
                                                       std::to_string(limit) + " bytes that a line may have");
  if (!blame(head, outcome)) blame(tail, outcome);
}

/// For a line that cannot be parsed: finds the key of its question in the raw text and fails that question.
/// Returns false if there is none.
bool Channel::blame(std::string_view line, const Outcome& outcome) {
  const struct {
    std::string_view member;
    char kind;
  } kinds[] = {{R"("_eval")", kEval}, {R"("_fetchProp")", kFetch}, {R"("_reply")", kMessage}};
  for (const auto& [name, kind] : kinds) {
    for (auto at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
      const auto colon = skip_space(line.substr(at + name.size()));
      if (!colon.starts_with(':')) continue;
      const auto value = first_value(skip_space(colon.substr(1)));
      const auto text = kind == kMessage ? std::string(value) : json::unquote(value).value_or("");
      if (answered(kind + text, outcome)) return true;
    }
  }
  return false;
}

Channel::Question Channel::remove(std::list<Question>::iterator question) {
  by_key_.erase(question->key);
  auto removed = std::move(*question);
  questions_.erase(question);
  waiting_ -= removed.askers.size();
  bytes_ -= removed.key.size();
  return removed;
}

/// Fails the oldest question. If its answer still comes, it is dropped.
void Channel::give_up(const Outcome& outcome) {
  const auto question = remove(questions_.begin());
  if (given_up_.size() >= kMaxGivenUp) {
    given_up_.clear();
    marks_all_ = true;
  }
  given_up_.insert(std::hash<std::string>{}(question.key));
  for (const auto& asker : question.askers) asker(outcome);
}

void Channel::wait_for(std::string key, Answer answer) {
  const auto outcome =
      error_outcome("Error", "the bot does not answer: too many later questions wait for it");
  while (waiting_ > 0 && (waiting_ >= kMaxWaiting || bytes_ + key.size() > kMaxWaitingBytes)) {
    give_up(outcome);
  }
  ++waiting_;
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    found->second->askers.push_back(std::move(answer));
    return;
  }
  bytes_ += key.size();
  questions_.push_back({std::move(key), {}});
  questions_.back().askers.push_back(std::move(answer));
  by_key_.emplace(questions_.back().key, std::prev(questions_.end()));
}

bool Channel::answered(const std::string& key, const Outcome& outcome) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    given_up_.erase(std::hash<std::string>{}(key));
    return false;
  }
  const auto question = remove(found->second);
  for (const auto& asker : question.askers) asker(outcome);
  return true;
}

bool Channel::may_be_answered(const std::string& key) const {
  return by_key_.contains(key) || given_up_.contains(std::hash<std::string>{}(key));
}

void Channel::ask(std::string key, Answer answer, std::string line) {
  wait_for(key, std::move(answer));
  if (sink_.to_bot(std::move(line))) return;
  // Earlier askers of a fetch have their line in the queue.
  const auto found = by_key_.find(key)->second;
  const auto last = std::move(found->askers.back());
  if (found->askers.size() == 1) {
    remove(found);
  } else {
    found->askers.pop_back();
    --waiting_;
  }
  last(error_outcome("Error", kUnread));
}

void Channel::eval(const std::string& script, Answer answer) {
  // Marks a script only if another answer could be mistaken for its own: some bots recognise a script by its
  // exact text. Empty scripts are always marked: some bots ignore them and never answer.
  auto text = script;
  for (bool marked = !marks_all_ && !script.empty(); !marked || may_be_answered(kEval + text);
       marked = true) {
    text = script + mark(++marks_);
  }
  ask(kEval + text, std::move(answer), R"({"_eval":)" + json::quote(text) + "}\n");
}

/// Equal paths have equal values: the next answer is used for all pending questions with this path.
void Channel::fetch_prop(const std::string& prop, Answer answer) {
  ask(kFetch + prop, std::move(answer), R"({"_fetchProp":)" + json::quote(prop) + "}\n");
}

void Channel::message(std::string_view data_json, std::int64_t from, Answer answer) {
  const auto rest = std::string(data_json) + R"(,"_from":)" + std::to_string(from);
  if (!answer) return (void)sink_.to_bot(R"({"_message":)" + rest + "}\n");
  const auto id = std::to_string(next_message_++);
  ask(kMessage + id, std::move(answer), R"({"_request":)" + rest + R"(,"_id":)" + id + "}\n");
}

void Channel::reply(const std::string& reply, const Outcome& outcome) {
  if (!reply.empty()) (void)sink_.to_bot(with_outcome(reply, outcome));
}

void Channel::fail_all(const Outcome& outcome) {
  // An answer's callback may ask again: fail only the questions that are pending now.
  for (auto left = questions_.size(); left > 0 && !questions_.empty(); --left) give_up(outcome);
}

std::size_t LineReader::receive(std::string_view data, const Line& line, const TooLong& too_long) {
  std::size_t count = 0;
  while (!data.empty()) {
    const auto end = data.find('\n');
    const auto part = data.substr(0, end);
    if (!skipping_ && partial_.size() + part.size() > max_line_) {
      skipping_ = true;
      ++count;
    }
    if (skipping_) {
      tail_ += part;
      if (tail_.size() > 2 * kTail) tail_.erase(0, tail_.size() - kTail);
    }
    if (end == std::string_view::npos) {
      if (!skipping_) partial_ += part;
      break;
    }
    if (std::exchange(skipping_, false)) {
      const auto head = std::exchange(partial_, {});
      const auto tail = std::exchange(tail_, {});
      if (too_long) too_long(head, tail);
    } else if (partial_.empty()) {
      line(part);
    } else {
      partial_ += part;
      const auto whole = std::exchange(partial_, {});
      line(whole);
    }
    data.remove_prefix(end + 1);
  }
  return count;
}

}  // namespace smaster::agent
