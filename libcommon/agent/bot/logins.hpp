// The logins of one bot process, reported by its hooks or by the bot on the channel, or requested by HTTP:
// questions, permits, and the state of its gateway connections. Lines, answers and time in, lines and events
// out. Source: man 7 smaster-channel, "Logins"; man 7 smaster-identify.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "records/bot_report.hpp"

namespace smaster::agent {

/// How long a permit is valid, counted from the question, plus the time that the master delayed its answer.
/// The master reserves the login slot a little longer (fleet::kPermitValidity).
inline constexpr Millis kPermitUse{4'800};
/// A question is repeated after this time, because its permit's validity counts from it.
inline constexpr Millis kAskAgain{30'000};
/// How long after its permit an HTTP client may send IDENTIFY: some connect only then.
inline constexpr Millis kHttpUse{2'000};

/// Effects of Logins. Any of its methods may call them before it returns.
class LoginSink {
 public:
  virtual ~LoginSink() = default;
  /// A line for the bot, with its newline.
  virtual void login_line(std::string line) = 0;
  /// Asks the master whether `id` may log in.
  virtual void ask_master(ShardId id, std::uint64_t ask) = 0;
  /// Reports a login event to the master; `event` is a word of man 7 smaster-channel, `ago` its age.
  virtual void tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) = 0;
  /// Something that belongs into a status has changed.
  virtual void logins_changed() = 0;
  /// The bot asks on its channel for an id that its process does not have, and is refused.
  virtual void login_foreign(ShardId id) = 0;
};

class Logins {
 public:
  explicit Logins(LoginSink& sink) : sink_(sink) {}

  /// A new process has started with these ids.
  void started(const std::vector<ShardId>& ids);
  /// The process has ended. `died`: without a request to stop.
  void ended(bool died);
  /// It has closed its channel: it cannot ask any more.
  void hung_up();
  /// Handles a line from the bot; false if it is not about logins.
  [[nodiscard]] bool receive(std::string_view line, Instant now);

  /// Answers an HTTP question: empty if the shard may log in now, else why it may not.
  using Answer = std::function<void(const std::string& error)>;
  /// Identifies an HTTP question.
  struct Ticket {
    ShardId id;
    std::string number;
  };
  /// Asks whether `id` may log in; without an id, the only one of the process. `answer` is called at most
  /// once, maybe before this returns; never after `withdraw` or after the process has ended.
  [[nodiscard]] Ticket ask(std::optional<ShardId> id, Answer answer, Instant now);
  /// The client has disconnected before it got the answer: it will not send IDENTIFY.
  void withdraw(const Ticket& ticket);
  /// The permit was delivered to the client. Its IDENTIFY is not observed; it is assumed at most kHttpUse
  /// later.
  void delivered(const Ticket& ticket, Instant now);

  /// The master's answer, which it delayed by `waited`. `error`: why the shard may never log in; empty: it
  /// may now.
  void answered(ShardId id, std::uint64_t ask, Millis waited, std::string_view error, Instant now);
  /// A new connection to the master: sends all pending questions again.
  void connected(Instant now);
  /// When `tick` must be called; nullopt: never.
  [[nodiscard]] std::optional<Instant> deadline() const;
  void tick(Instant now);

  /// True if the bot asks before each login. Assumed of the next process, too, until it shows otherwise.
  [[nodiscard]] bool asks() const { return asks_; }
  /// True if all ids have logged in; nullopt: not known.
  [[nodiscard]] std::optional<bool> ready() const;
  /// The libraries found by the hooks, such as "discord.js 14.28.1", and why one does not ask.
  [[nodiscard]] const std::string& hooks() const { return hooks_; }
  [[nodiscard]] std::vector<fleet::GatewayReport> gateways(Instant now) const;

 private:
  struct Question {
    std::string id_json;  ///< the bot's number for the question; for HTTP questions "#" and a number of ours
    bool marked = false;  ///< the question had `cmd`, so the answer has it, too
    std::uint64_t ask = 0;
    Instant asked{};
    Answer answer = {};  ///< set for HTTP questions
  };
  struct Gateway {
    fleet::GatewayReport report;
    bool told = false;             ///< the bot reports this gateway's events itself
    std::optional<Instant> heard;  ///< time of its last figures
    std::optional<Instant> last_event;
  };

  void on_hello(std::string_view json, bool marked);
  void on_ask(ShardId id, Question question, Instant now);
  void on_cancel(ShardId id, const std::string& number);
  void on_gateway(std::string_view json, Instant now);
  void send_ask(ShardId id, Question& question, Instant now);
  void refuse(ShardId id, const Question& question, const std::string& why);
  void sent(ShardId id, const std::string& number, Millis ago);
  void drop_untold(ShardId id);
  void assume_sent(ShardId id);
  void set_asks(bool asks);

  LoginSink& sink_;
  std::set<ShardId> ids_;
  std::map<ShardId, Question> questions_;
  std::map<ShardId, Question> permits_;  ///< permits delivered or being delivered, not yet used
  struct Assumed {
    std::string number;
    Instant at{};
  };
  std::map<ShardId, Assumed> assumed_;  ///< IDENTIFYs of HTTP clients, and when each is counted as sent
  std::set<ShardId> untold_;            ///< ids that logged in by HTTP and report no events
  std::map<ShardId, Gateway> gateways_;
  struct Found {
    bool asks;
    std::string words;
  };
  std::map<std::string, Found> libraries_;  ///< by name without version
  std::string hooks_;
  std::uint64_t next_ask_ = 1;
  std::uint64_t next_ticket_ = 1;
  bool greeted_ = false;
  bool asks_ = false;
};

}  // namespace smaster::agent
