// The agent's connection to its master: proves who we are, makes the master prove itself before anything it
// says is passed on, and comes back after a loss, ever more slowly. Knows nothing of bots.
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
#include "net/engine_client.hpp"
#include "net/task_scope.hpp"
#include "wire/socketio/client.hpp"

namespace smaster::agent {

/// How old the master's proof may be, and how far its clock from ours; the original's timestamp_precision.
inline constexpr Millis kProofPrecision{300'000};

/// Who hears of the connection. Calls come from the context.
class UplinkOwner {
 public:
  virtual ~UplinkOwner() = default;
  /// The master has proved itself. `ahead`: how far our clock is before the master's.
  virtual void uplink_up(Millis ahead) = 0;
  /// The connection is gone, or could not be made. `ahead`: what a refusal told of the clocks.
  virtual void uplink_down(const std::string& why, std::optional<Millis> ahead) = 0;
  /// The master has proved itself, and says that another agent has our place. The connection ends.
  virtual void uplink_refused(const std::string& why) = 0;
  /// A master that has proved itself has said something.
  virtual void uplink_heard() = 0;
  /// An event of a master that has proved itself.
  virtual void uplink_event(std::string_view name, std::optional<socketio::AckId> ack_id,
                            socketio::Arguments arguments) = 0;
};

/// "3.2 s ahead of", "1 min 4 s behind": where our clock is.
[[nodiscard]] std::string clock_words(Millis ahead);

/// Who connects, and how.
struct UplinkOptions {
  const ShardConfig& config;              ///< must outlive the uplink
  int process = 0;                        ///< which of the shard's processes it is
  std::shared_ptr<LeaderLookup> masters;  ///< the config's
  std::string introduction;               ///< the JSON object that goes with CONNECT
};

class Uplink final : public net::Upper, public socketio::ClientSink {
 public:
  /// What the master answered; nothing when the connection was lost or the time was over, for the reason
  /// given.
  using Answer = std::function<void(const socketio::Arguments*, std::string_view why)>;

  Uplink(net::asio::io_context& context, net::asio::thread_pool& pool, UplinkOptions options,
         UplinkOwner& owner);

  /// Connects, again and again, until `stop`.
  net::Task<> run();
  /// Leaves, after what was sent; `run` ends.
  void stop();

  [[nodiscard]] bool up() const { return up_; }
  /// The one that it is connected to, or tried last.
  [[nodiscard]] const MasterAddress& master() const { return masters_->masters()[current_]; }
  [[nodiscard]] bool polling() const { return client_ && client_->polling(); }
  /// When the connection was begun.
  [[nodiscard]] BootTime dialled() const { return dialled_; }
  /// Ends the connection; another one is made.
  void drop(std::string_view why) {
    if (link_ != nullptr) close_session(why);
  }
  /// The most bytes that one message may have; no limit is known before the first connection.
  [[nodiscard]] std::size_t max_payload() const { return max_payload_; }
  /// Bytes that wait to be sent.
  [[nodiscard]] std::size_t queued() const { return link_ != nullptr ? client_->queued() : 0; }

  /// Sends an event; `arguments` are JSON. Nothing is sent while the connection is down.
  void emit(std::string_view event, const std::vector<std::string_view>& arguments,
            const std::vector<std::string>& attachments = {});
  /// Sends an event that wants an answer.
  void request(std::string_view event, const std::vector<std::string_view>& arguments,
               const std::vector<std::string>& attachments, Millis timeout, Answer answer);
  /// Answers the master's event, unless it came on a connection that is gone.
  void ack(socketio::AckId id, const std::vector<std::string_view>& arguments);
  /// Counts connections: an answer belongs to the one that asked.
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
  std::size_t current_ = 0;  ///< of the masters
  const std::string introduction_;
  UplinkOwner& owner_;
  std::shared_ptr<net::EngineClient> client_;
  net::Link* link_ = nullptr;
  std::optional<socketio::Client> socket_;
  net::Timer gone_;   ///< cancelled when the session is over
  net::Timer pause_;  ///< between tries
  net::TaskScope tasks_;
  net::Timer proof_;  ///< how long the master may take to prove itself
  Backoff backoff_;
  std::string header_;  ///< signed ahead; each is good once
  Instant signed_at_{};
  std::map<socketio::AckId, Pending> pending_;
  socketio::AckId next_id_ = 0;
  unsigned generation_ = 0;
  std::string why_;  ///< why we ended the session, if we did
  BootTime dialled_{};
  bool refused_ = false;
  Instant up_since_{};
  bool leaderless_ = false;  ///< that was said
  Instant lost_at_;          ///< since when there has been no good connection
  std::size_t max_payload_ = static_cast<std::size_t>(-1);
  bool up_ = false;
  bool stopping_ = false;
};

}  // namespace smaster::agent
