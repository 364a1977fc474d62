// One shard's connection: sends events and keeps the callbacks of requests. SessionHost handles its events.
#pragma once

#include <spdlog/common.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/engineio/socketio_upper.hpp"
#include "records/holder.hpp"
#include "server/cluster/leadership.hpp"
#include "server/events/events.hpp"
#include "server/keys/master_proof.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// Decides about sessions and handles their events.
class SessionHost {
 public:
  virtual ~SessionHost() = default;

  /// The reason to refuse an agent; nullopt: it may attach. `refuse` also records the attempt.
  [[nodiscard]] virtual std::optional<std::string> refusal(const ShardName& name,
                                                           const fleet::Holder& claimant) = 0;
  [[nodiscard]] virtual std::optional<std::string> refuse(const ShardSession& session,
                                                          const fleet::Holder& claimant) = 0;
  /// Attaches the session to its shard; an error is the reason for a refusal.
  [[nodiscard]] virtual Result<void> attach(ShardSession& session, Reservation reservation,
                                            fleet::Holder claimant) = 0;
  /// The session's shard has told this.
  virtual void introduced(ShardSession& session, const Introduction& introduction) = 0;
  /// The proof that this shard can verify, as far as is known. took_proof or refused_proof follows, once it
  /// shows whether the shard accepts it.
  [[nodiscard]] virtual MasterProof& proof_for(const ShardName& name) = 0;
  virtual void took_proof(const ShardName& name, const MasterProof& proof) = 0;
  virtual void refused_proof(const ShardName& name, const MasterProof& proof) = 0;
  /// The session was sent the master's proof: orders may follow.
  virtual void joined(ShardSession& session) = 0;
  /// The session has ended.
  virtual void detach(ShardSession& session) = 0;
  /// An event of a session that is attached.
  virtual void event(ShardSession& session, Shard& shard, std::string_view name,
                     std::optional<socketio::AckId> ack_id, socketio::Arguments arguments) = 0;
};

/// The parts that all sessions use; they outlive the sessions.
struct SessionContext {
  net::asio::io_context& loop;
  const Leadership& leadership;
  const socketio::AssemblyBudget& assembly;
  Directory& directory;
  Events& events;
  SessionHost& host;
};

class ShardSession final : public net::SocketIoUpper {
 public:
  /// Called with the arguments of the answer, or with null if the connection ended first.
  using Answer = std::function<void(const socketio::Arguments*)>;

  ShardSession(const SessionContext& context, Reservation reservation, std::string address);

  [[nodiscard]] const ShardName& name() const { return ref_.name; }
  /// A reference that may be kept across a `co_await` (Directory::session).
  [[nodiscard]] const ShardRef& ref() const { return ref_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  /// When the connection was opened.
  [[nodiscard]] Instant since() const { return since_; }
  /// True for an agent, which knows more events than WIRE.md's shards.
  [[nodiscard]] bool is_agent() const { return agent_; }

  /// Queues an event; `arguments` are JSON. Never calls back and never ends the session. Dropped if this
  /// server does not lead.
  void emit(std::string_view event, const std::vector<std::string_view>& arguments);
  /// The same with a payload that several sessions may share (socketio::event_payload).
  void emit(std::shared_ptr<const std::string> payload);
  /// Queues an event that expects an answer. `answer` is called at most once, never from within. Returns the
  /// id for `forget`. If this server does not lead, nothing is sent, and `answer` gets null when the session
  /// ends.
  socketio::AckId request(std::string_view event, const std::vector<std::string_view>& arguments,
                          Answer answer);
  /// The same with a payload that several sessions may share (socketio::event_payload).
  socketio::AckId request(std::shared_ptr<const std::string> payload, Answer answer);
  /// The same with a last argument that is read from `source` while it is sent; `arguments` have a
  /// placeholder for it.
  socketio::AckId request_with(std::string_view event, const std::vector<std::string_view>& arguments,
                               const std::shared_ptr<engineio::FrameSource>& source, Answer answer);
  /// Drops the callback of a request.
  void forget(socketio::AckId id) { pending_.erase(id); }
  void answer(socketio::AckId id, const std::vector<std::string_view>& arguments,
              const std::vector<std::string>& attachments = {});
  /// Answers with an error (JSON, null if there is none) and a result, which may be megabytes.
  void answer_result(socketio::AckId id, std::string_view error, std::string result,
                     std::vector<std::string> attachments);
  /// Answers an ack with the error, or with null. Does nothing without an ack, or once the session is
  /// closing.
  void answer_with(std::optional<socketio::AckId> ack_id, const Result<void>& result);
  /// False once the session is closing.
  [[nodiscard]] bool is_open() const { return open_; }
  /// Closes the session, which ends in a later turn of the loop. Callbacks of requests get null in a later
  /// turn, too, without waiting for the client.
  void close();
  /// Logs a line about this shard.
  void say(spdlog::level::level_enum level, std::string_view event, const std::string& text) const;

  // net::Upper
  void opened(net::Link& link, Instant now) override;
  void receive(bool binary, std::string_view data) override;
  void closed(engineio::CloseReason reason) override;

  // socketio::ConnectionSink
  void close_session(std::string_view why) override;
  [[nodiscard]] bool has_namespace(std::string_view nsp) const override {
    return nsp == socketio::kMainNamespace;
  }
  void connected(std::string_view nsp, std::string_view auth) override;
  void disconnected(std::string_view nsp) override;
  void event(std::string_view nsp, std::string_view name, std::optional<socketio::AckId> ack_id,
             socketio::Arguments arguments) override;
  void acked(std::string_view nsp, socketio::AckId ack_id, socketio::Arguments arguments) override;

 private:
  socketio::AckId ask(std::shared_ptr<const std::string> payload,
                      const std::shared_ptr<engineio::FrameSource>& source, Answer answer);
  void fail_pending();
  void left();
  void record(fleet::EventKind kind, const std::string& text) const;

  const SessionContext& context_;
  const ShardRef ref_;
  std::optional<Reservation> reservation_;  ///< until it is attached
  std::string address_;
  Instant since_{};
  bool open_ = false;
  bool said_connected_ = false;
  MasterProof* shown_ = nullptr;  ///< the proof it was sent, until it shows whether it accepts it
  Instant shown_at_{};
  bool agent_ = false;
  socketio::AckId next_id_ = 0;
  std::unordered_map<socketio::AckId, Answer> pending_;
  std::shared_ptr<const MasterProof::Then> waits_for_proof_;
};

}  // namespace smaster::server
