// The agent's side of the channel to a bot: JSON lines, as Node's IPC has them. What the bot says becomes
// requests for the agent; what is asked of the bot gets its answer, which discord.js marks with nothing but
// the script: of equal scripts that are asked at once all but the first get spaces behind them. Lines in,
// lines and events out: no descriptors, no clock. Source: WIRE.md, "How a discord.js child process talks to
// its parent"; man 7 smaster-channel.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/types.hpp"

namespace smaster::agent {

/// What came of a request: its result, or its error.
struct Outcome {
  bool ok = false;
  std::string json;
};

/// An error as discord.js passes it on: `{name, message, stack}`.
[[nodiscard]] Outcome error_outcome(std::string_view name, std::string_view message);
/// The error `json` from anywhere, as such an object: a text becomes its message.
[[nodiscard]] Outcome error_outcome(std::string_view json);

/// How the bot stands with Discord.
enum class BotState { ready, disconnected, reconnecting, resumed };

/// What a bot asks for. Members that end in `_json` are JSON values as the bot wrote them.
namespace request {
struct Eval {  ///< run `script` in the bot of `shard`, or in all
  std::string script;
  std::optional<std::int64_t> shard;
};
struct FetchProp {  ///< the value at the path `prop` of the client of `shard`, or of all
  std::string prop;
  std::optional<std::int64_t> shard;
};
struct RespawnAll {
  std::string options_json;
};
struct Sql {
  std::string query;
};
struct WriteFile {  ///< send this file to the master
  std::string name;
};
struct GetFile {  ///< fetch this file from the master, if its own is newer than `mtime` (unix ms)
  std::string name;
  std::optional<std::int64_t> mtime;
};
struct Reboot {
  std::string text;
};
struct Message {  ///< to other bots; `wants_reply`: a request
  std::string to_json;
  std::string data_json;
  bool wants_reply = false;
  std::optional<Millis> timeout;
};
}  // namespace request

using Request = std::variant<request::Eval, request::FetchProp, request::RespawnAll, request::Sql,
                             request::WriteFile, request::GetFile, request::Reboot, request::Message>;

/// What the channel asks of the agent. Calls may come from inside any of its methods.
class ChannelSink {
 public:
  virtual ~ChannelSink() = default;
  /// A line for the bot, with its newline.
  virtual void to_bot(std::string line) = 0;
  virtual void bot_state(BotState state) = 0;
  /// The bot asks; `reply` is what Channel::reply takes with the outcome, empty when none is wanted.
  virtual void bot_request(Request request, std::string reply) = 0;
};

class Channel {
 public:
  using Answer = std::function<void(const Outcome&)>;

  /// Questions that wait for their answers, and the bytes of them: beyond either, the oldest is given up.
  static constexpr std::size_t kMaxWaiting = 10'000;
  static constexpr std::size_t kMaxWaitingBytes = 64u << 20;
  /// How deeply an answer may nest: less than what we read (json::kMaxDepth), since it travels inside of
  /// others.
  static constexpr std::size_t kMaxAnswerDepth = 500;

  explicit Channel(ChannelSink& sink) : sink_(sink) {}

  /// A line from the bot, without its newline. Lines that mean nothing to us are the bot's own affair.
  void receive(std::string_view line);
  /// A line that was too long to be kept: how it begins and how it ends. Whose answer it is, is told so.
  void receive_too_long(std::string_view head, std::string_view tail, std::size_t limit);
  /// Runs a script in the bot. `answer` is called once.
  void eval(const std::string& script, Answer answer);
  /// Fetches the value at a path such as "guilds.cache.size" of the bot's client.
  void fetch_prop(const std::string& prop, Answer answer);
  /// Passes on another bot's message; one with `answer` is a request.
  void message(std::string_view data_json, std::int64_t from, Answer answer);
  /// Answers a bot's request.
  void reply(const std::string& reply, const Outcome& outcome);

  /// The bot is gone or will not answer: everybody who waits is told so.
  void fail_all(const Outcome& outcome);
  /// Whether the bot has ever said anything.
  [[nodiscard]] bool alive() const { return alive_; }
  /// Answers that are still to come.
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  /// What was asked, and by whom. `key`: a letter for the kind, and the text that the answer repeats.
  struct Question {
    std::string key;
    std::vector<Answer> askers;  ///< several where all may have the same answer
  };

  void wait_for(std::string key, Answer answer);
  bool answered(const std::string& key, const Outcome& outcome);
  bool blame(std::string_view line, const Outcome& outcome);
  void give_up(const Outcome& outcome);
  [[nodiscard]] bool may_be_answered(const std::string& key) const;
  Question remove(std::list<Question>::iterator question);

  ChannelSink& sink_;
  bool alive_ = false;
  std::list<Question> questions_;  ///< the oldest first
  std::unordered_map<std::string_view, std::list<Question>::iterator> by_key_;
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;
  /// Hashes of keys that nobody waits for any more, whose answers may still come.
  std::unordered_set<std::size_t> given_up_;
  bool marks_all_ = false;  ///< there were too many of those to remember
  std::uint64_t marks_ = 0;
  std::uint64_t next_message_ = 1;
};

/// Cuts what a descriptor delivers into lines, and passes over those that are too long.
class LineReader {
 public:
  using Line = std::function<void(std::string_view)>;
  using TooLong = std::function<void(std::string_view head, std::string_view tail)>;

  explicit LineReader(std::size_t max_line) : max_line_(max_line) {}
  /// Calls `line` for every line that `data` completes, without its newline; `too_long` at the end of one
  /// that was too long, with what was kept of it. Returns how many lines became too long.
  std::size_t receive(std::string_view data, const Line& line, const TooLong& too_long = {});

 private:
  static constexpr std::size_t kTail = 1u << 20;
  std::size_t max_line_;
  std::string partial_;
  std::string tail_;
  bool skipping_ = false;
};

}  // namespace smaster::agent
