// The agent's connection to its master: authenticates the agent, verifies the master before any of its events
// is passed on, and reconnects with backoff. Knows nothing of bots.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/leader_lookup.hpp"
#include "agent/shard_config.hpp"
#include "base/backoff.hpp"
#include "base/boot_clock.hpp"
#include "net/engineio/client.hpp"
#include "net/task_scope.hpp"
#include "wire/socketio/client.hpp"

namespace smaster::agent {

/// Maximum size of a packet beyond its arguments and attachments, in bytes.
inline constexpr std::size_t kPacketOverhead = 256;

/// Maximum age of the master's proof, and maximum difference of the clocks; the original's
/// timestamp_precision.
inline constexpr Millis kProofPrecision{300'000};

/// Events of the connection. All calls come from the context's thread.
class UplinkOwner {
 public:
  virtual ~UplinkOwner() = default;
  /// Connected, and the master is verified. `ahead`: our clock minus the master's.
  virtual void uplink_up(Millis ahead) = 0;
  /// The connection was lost or could not be made. `ahead`: the clock difference, if a refusal told the
  /// master's time.
  virtual void uplink_down(const std::string& why, std::optional<Millis> ahead) = 0;
  /// The verified master says that another agent has our slot. The connection is then closed.
  virtual void uplink_refused(const std::string& why) = 0;
  /// The verified master has sent a message (not: a ping).
  virtual void uplink_heard() = 0;
  /// An event of the verified master.
  virtual void uplink_event(std::string_view name, std::optional<socketio::AckId> ack_id,
                            socketio::Arguments arguments) = 0;
};

/// Our clock in words: "3.2 s ahead of", "1 min 4 s behind".
[[nodiscard]] std::string clock_words(Millis ahead);

/// Settings of an uplink.
struct UplinkOptions {
  const ShardConfig& config;              ///< must outlive the uplink
  int process = 0;                        ///< index of the bot process within its shard
  std::shared_ptr<LeaderLookup> masters;  ///< a lookup over the config's masters
  std::string introduction;               ///< a JSON object, sent with CONNECT
};

class Uplink final : public net::Upper, public socketio::ClientSink {
 public:
  /// The master's answer to a request. Null if the connection was lost or the time is over; `why` then says
  /// which.
  using Answer = std::function<void(const socketio::Arguments*, std::string_view why)>;

  Uplink(net::asio::io_context& context, net::asio::thread_pool& pool, UplinkOptions options,
         UplinkOwner& owner);

  /// Connects, and reconnects after each loss, until `stop`.
  net::Task<> run();
  /// Closes the connection after sending what is queued; `run` then returns.
  void stop();

  [[nodiscard]] bool up() const { return up_; }
  /// The current master, or the last one that was tried.
  [[nodiscard]] const MasterAddress& master() const { return masters_->masters()[current_]; }
  [[nodiscard]] bool polling() const { return client_ && client_->polling(); }
  /// Start of the current or last connection attempt.
  [[nodiscard]] BootTime dialled() const { return dialled_; }
  /// Closes the connection; `run` makes a new one. The owner is told in a later turn of the loop.
  void drop(std::string_view why) {
    if (link_ != nullptr) close_session(why);
  }
  /// Maximum size of one message in bytes; unlimited before the first connection.
  [[nodiscard]] std::size_t max_payload() const { return max_payload_; }
  /// Bytes queued for sending.
  [[nodiscard]] std::size_t queued() const { return link_ != nullptr ? client_->queued() : 0; }

  /// Sends an event with JSON arguments. Does nothing while disconnected, nor if the master would not take so
  /// large a message.
  void emit(std::string_view event, const std::vector<std::string_view>& arguments);
  /// Sends an event and calls `answer` exactly once; before returning if disconnected.
  void request(std::string_view event, const std::vector<std::string_view>& arguments,
               const std::vector<std::string>& attachments, Millis timeout, Answer answer);
  /// Answers an event of the master. Does nothing while disconnected; the caller compares `generation` to
  /// detect a new connection.
  void ack(socketio::AckId id, const std::vector<std::string_view>& arguments);
  /// Number of connections so far. An answer must go to the connection that asked.
  [[nodiscard]] unsigned generation() const { return generation_; }

  // net::Upper
  void opened(net::Link& link, Instant now) override;
  void receive(bool binary, std::string_view data) override;
  void closed(engineio::CloseReason reason) override;
  void ping_is_late() override;

  // socketio::ClientSink
  void send_frame(const engineio::Frame& frame) override;
  void close_session(std::string_view why) override;
  void joined() override;
  void event(std::string_view name, std::optional<socketio::AckId> ack_id,
             socketio::Arguments arguments) override;
  void acked(socketio::AckId ack_id, socketio::Arguments arguments) override;

 private:
  struct Pending {
    Answer answer;
    std::unique_ptr<net::Timer> timer;
  };

  net::Task<> sign();
  net::Task<> sign_ahead();
  net::Task<std::string> authorize();
  [[nodiscard]] Millis next_pause();
  net::Task<> rest(Millis pause);
  void verify_master(const socketio::Arguments& arguments);
  void failed(const net::ConnectFailure& failure);
  void fail_pending(std::string_view why);

  net::asio::io_context& context_;
  net::asio::thread_pool& pool_;
  const ShardConfig& config_;
  const int process_;
  const ShardName name_;
  const std::shared_ptr<LeaderLookup> masters_;
  std::size_t current_ = 0;  ///< index of the current master
  const std::string introduction_;
  UplinkOwner& owner_;
  std::shared_ptr<net::EngineClient> client_;
  net::Link* link_ = nullptr;
  std::optional<socketio::Client> socket_;
  net::Timer gone_;   ///< cancelled when the session has ended
  net::Timer pause_;  ///< between attempts
  net::TaskScope tasks_;
  net::Timer proof_;  ///< timeout for the master's proof
  Backoff backoff_;
  std::string header_;  ///< signed in advance; each header can be used once
  Instant signed_at_{};
  std::map<socketio::AckId, Pending> pending_;
  socketio::AckId next_id_ = 0;
  unsigned generation_ = 0;
  std::string why_;  ///< our own reason for closing; empty: the peer or the network closed it
  BootTime dialled_{};
  bool refused_ = false;
  Instant up_since_{};
  bool leaderless_ = false;  ///< the lack of a leader was reported
  Instant lost_at_;          ///< end of the last stable connection
  std::size_t max_payload_ = static_cast<std::size_t>(-1);
  bool up_ = false;
  bool stopping_ = false;
};

}  // namespace smaster::agent
