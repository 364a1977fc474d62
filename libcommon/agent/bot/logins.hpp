// The logins of one bot process, as its hooks or the bot itself tell of them on the channel, or ask for them
// by HTTP: what it asks, what it was permitted, and what its gateway connections do. Lines, answers and time
// in, lines and events out. Source: man 7 smaster-channel, "Logins"; man 7 smaster-identify.
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

/// A permit is good for so long from the question, beside the time that the master let it wait; the master
/// keeps the bucket a little longer (fleet::kPermitValidity).
inline constexpr Millis kPermitUse{4'800};
/// A question is asked anew after so long, since what its answer is worth is counted from it.
inline constexpr Millis kAskAgain{30'000};
/// How long after its permit an IDENTIFY can come that was asked for by HTTP: some clients connect after it.
inline constexpr Millis kHttpUse{2'000};

/// What Logins asks of the agent. Calls may come from inside any of its methods.
class LoginSink {
 public:
  virtual ~LoginSink() = default;
  /// A line for the bot, with its newline.
  virtual void login_line(std::string line) = 0;
  /// Asks the master whether `id` may log in.
  virtual void ask_master(ShardId id, std::uint64_t ask) = 0;
  /// Tells the master what became of a login; `event` is one of man 7 smaster-channel's words for it, `ago`
  /// since when.
  virtual void tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) = 0;
  /// Something changed that belongs into a status.
  virtual void logins_changed() = 0;
};

class Logins {
 public:
  explicit Logins(LoginSink& sink) : sink_(sink) {}

  /// A new process, which runs these ids.
  void started(const std::vector<ShardId>& ids);
  /// It has ended; `died`: by itself.
  void ended(bool died);
  /// A line from the bot. False: it is not about logins.
  [[nodiscard]] bool receive(std::string_view line, Instant now);

  /// Answers a question that came by HTTP: the shard may log in now, or the sentence says why it may not.
  using Answer = std::function<void(const std::string& error)>;
  /// A question that came by HTTP.
  struct Ticket {
    ShardId id;
    std::string number;
  };
  /// Whether `id` may log in; without an id, the only one that the process has. `answer` is called once,
  /// maybe before this returns; never after `withdraw` or once the process has ended.
  [[nodiscard]] Ticket ask(std::optional<ShardId> id, Answer answer, Instant now);
  /// Whoever asked does not wait any more, or has not got the answer: it sends no IDENTIFY.
  void withdraw(const Ticket& ticket);
  /// The permit has reached whoever asked. When it sends its IDENTIFY is not heard: kHttpUse after this at
  /// the latest.
  void delivered(const Ticket& ticket, Instant now);

  /// The master's answer: the question had waited for `waited` there. `error`: it never may; empty: it may
  /// now.
  void answered(ShardId id, std::uint64_t ask, Millis waited, std::string_view error, Instant now);
  /// Asks again what waits: another master must hear of it.
  void connected(Instant now);
  /// When tick must be called, if ever.
  [[nodiscard]] std::optional<Instant> deadline() const;
  void tick(Instant now);

  /// Whether the bot asks before each login; also of the next process, until it shows otherwise.
  [[nodiscard]] bool asks() const { return asks_; }
  /// Whether all ids have logged in; nothing: nobody says.
  [[nodiscard]] std::optional<bool> ready() const;
  /// What the hooks found in the bot: "discord.js 14.28.1", and why one of them does not ask.
  [[nodiscard]] const std::string& hooks() const { return hooks_; }
  [[nodiscard]] std::vector<fleet::GatewayReport> gateways(Instant now) const;

 private:
  struct Question {
    std::string id_json;  ///< the bot's number for it; of those that came by HTTP ours, behind a "#"
    bool marked = false;  ///< its line had `cmd`, and so has the answer
    std::uint64_t ask = 0;
    Instant asked{};
    Answer answer = {};  ///< of those that came by HTTP
  };
  struct Gateway {
    fleet::GatewayReport report;
    bool told = false;             ///< the bot says itself what becomes of it
    std::optional<Instant> heard;  ///< its last figures
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
  std::map<ShardId, Question> permits_;  ///< that the bot has, or is about to
  struct Assumed {
    std::string number;
    Instant at{};
  };
  std::map<ShardId, Assumed> assumed_;  ///< when an IDENTIFY that nobody tells of is taken for sent
  std::set<ShardId> untold_;            ///< that were permitted by HTTP, and nobody says more of them
  std::map<ShardId, Gateway> gateways_;
  std::map<std::string, bool> libraries_;  ///< those found, and whether each asks
  std::string hooks_;
  std::uint64_t next_ask_ = 1;
  std::uint64_t next_ticket_ = 1;
  bool greeted_ = false;
  bool asks_ = false;
};

}  // namespace smaster::agent
