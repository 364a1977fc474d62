// The agent's side of the channel to a bot: JSON lines, as in Node's IPC. Lines from the bot become requests
// to the agent; questions to the bot get its answers. discord.js identifies an answer only by the text of the
// script, so a script that is already pending is made unique with trailing whitespace. Lines in, lines and
// events out: no descriptors, no clock. Source: WIRE.md, "How a discord.js child process talks to its
// parent"; man 7 smaster-channel.
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

/// The result of a request, or its error, as JSON.
struct Outcome {
  bool ok = false;
  std::string json;
};

/// An error in the form that discord.js uses: `{name, message, stack}`.
[[nodiscard]] Outcome error_outcome(std::string_view name, std::string_view message);
/// Any JSON value as such an error: an object is kept, a string becomes the message.
[[nodiscard]] Outcome error_outcome(std::string_view json);

/// State of the bot's connection to Discord.
enum class BotState { ready, disconnected, reconnecting, resumed };

/// Requests of a bot. Members that end in `_json` are JSON values in the bot's own spelling.
namespace request {
struct Eval {  ///< run `script` in the bot of `shard`; unset: in all bots
  std::string script;
  std::optional<std::int64_t> shard;
};
struct FetchProp {  ///< value at the path `prop` of the client of `shard`; unset: of all clients
  std::string prop;
  std::optional<std::int64_t> shard;
};
struct RespawnAll {
  std::string options_json;
};
struct Sql {
  std::string query;
};
struct WriteFile {  ///< send this file of the project directory to the master
  std::string name;
};
struct GetFile {  ///< fetch this file from the master if the master's is newer than `mtime` (unix ms)
  std::string name;
  std::optional<std::int64_t> mtime;
};
struct Reboot {
  std::string text;
};
struct Message {  ///< to other bots; with `wants_reply` a request
  std::string to_json;
  std::string data_json;
  bool wants_reply = false;
  std::optional<Millis> timeout;
};
}  // namespace request

using Request = std::variant<request::Eval, request::FetchProp, request::RespawnAll, request::Sql,
                             request::WriteFile, request::GetFile, request::Reboot, request::Message>;

/// Events of the channel. Any method of Channel may call them before it returns.
class ChannelSink {
 public:
  virtual ~ChannelSink() = default;
  /// A line for the bot, with its newline. False: the bot does not read, and the line is dropped.
  [[nodiscard]] virtual bool to_bot(std::string line) = 0;
  virtual void bot_state(BotState state) = 0;
  /// A request of the bot. `reply`: to be passed to Channel::reply with the outcome; empty: the bot wants no
  /// answer.
  virtual void bot_request(Request request, std::string reply) = 0;
};

class Channel {
 public:
  using Answer = std::function<void(const Outcome&)>;

  /// Limits of pending questions, by number and by bytes of their keys: beyond either, the oldest one fails.
  static constexpr std::size_t kMaxWaiting = 10'000;
  static constexpr std::size_t kMaxWaitingBytes = 64u << 20;
  /// Maximum nesting of an answer. Lower than json::kMaxDepth, because answers are embedded in other
  /// messages.
  static constexpr std::size_t kMaxAnswerDepth = 500;

  explicit Channel(ChannelSink& sink) : sink_(sink) {}

  /// Handles a line from the bot, without its newline. Unknown lines are ignored.
  void receive(std::string_view line);
  /// Handles a line that exceeded `limit` bytes, given its start and its end. If the question that it answers
  /// can be found, it fails.
  void receive_too_long(std::string_view head, std::string_view tail, std::size_t limit);
  /// Runs a script in the bot. `answer` is called exactly once, maybe before this returns.
  void eval(const std::string& script, Answer answer);
  /// Fetches the value at a path such as "guilds.cache.size" of the bot's client.
  void fetch_prop(const std::string& prop, Answer answer);
  /// Passes on a message of another bot, shard id `from`. A message with `answer` is a request.
  void message(std::string_view data_json, std::int64_t from, Answer answer);
  /// Answers a bot's request.
  void reply(const std::string& reply, const Outcome& outcome);

  /// Fails all pending questions: the bot is gone or does not answer.
  void fail_all(const Outcome& outcome);
  /// True once the bot has written a line.
  [[nodiscard]] bool alive() const { return alive_; }
  /// Number of pending questions, counted by asker.
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  /// A pending question. `key`: a letter for its kind, then the text that the answer repeats.
  struct Question {
    std::string key;
    std::vector<Answer> askers;  ///< several if one answer serves all of them
  };

  void wait_for(std::string key, Answer answer);
  void ask(std::string key, Answer answer, std::string line);
  bool answered(const std::string& key, const Outcome& outcome);
  bool blame(std::string_view line, const Outcome& outcome);
  void give_up(const Outcome& outcome);
  [[nodiscard]] bool may_be_answered(const std::string& key) const;
  Question remove(std::list<Question>::iterator question);

  ChannelSink& sink_;
  bool alive_ = false;
  std::list<Question> questions_;  ///< oldest first
  std::unordered_map<std::string_view, std::list<Question>::iterator> by_key_;
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;
  /// Hashes of the keys of failed questions, whose answers may still come.
  std::unordered_set<std::size_t> given_up_;
  bool marks_all_ = false;  ///< given_up_ overflowed once: from then on all scripts are marked
  std::uint64_t marks_ = 0;
  std::uint64_t next_message_ = 1;
};

/// Splits a byte stream into lines, and skips lines that are too long.
class LineReader {
 public:
  using Line = std::function<void(std::string_view)>;
  using TooLong = std::function<void(std::string_view head, std::string_view tail)>;

  explicit LineReader(std::size_t max_line) : max_line_(max_line) {}
  /// Calls `line` for each completed line, without its newline; `too_long` at the end of a line over the
  /// limit, with the parts kept of it. Returns the number of lines that went over the limit in this call.
  std::size_t receive(std::string_view data, const Line& line, const TooLong& too_long = {});

 private:
  static constexpr std::size_t kTail = 1u << 20;
  std::size_t max_line_;
  std::string partial_;
  std::string tail_;
  bool skipping_ = false;
};

}  // namespace smaster::agent
