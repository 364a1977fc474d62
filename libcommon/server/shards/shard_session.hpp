// One shard's connection: what is sent on it, and who waits for an answer. What its events mean is told to
// the rooms above.
#pragma once

#include <spdlog/common.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/socketio_upper.hpp"
#include "records/holder.hpp"
#include "server/cluster/leadership.hpp"
#include "server/keys/master_proof.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// Who decides over sessions, and hears what comes.
class SessionHost {
 public:
  virtual ~SessionHost() = default;

  /// Why an agent may not have its shard's place; `refuse` also remembers that it asked.
  [[nodiscard]] virtual std::optional<std::string> refusal(const ShardName& name,
                                                           const fleet::Holder& claimant) = 0;
  [[nodiscard]] virtual std::optional<std::string> refuse(const ShardSession& session,
                                                          const fleet::Holder& claimant) = 0;
  /// The session takes its shard's place; an error says why it must not.
  [[nodiscard]] virtual Result<void> attach(ShardSession& session, Reservation reservation,
                                            fleet::Holder claimant) = 0;
  /// What its shard can take: shard ids a process, and on which host.
  virtual void introduced(ShardSession& session, std::uint32_t capacity, const std::string& host,
                          const std::string& kind) = 0;
  /// The proof that this shard can verify, as far as is known; whether it took it shows by whether it stays.
  [[nodiscard]] virtual MasterProof& proof_for(const ShardName& name) = 0;
  virtual void took_proof(const ShardName& name, const MasterProof& proof) = 0;
  virtual void refused_proof(const ShardName& name, const MasterProof& proof) = 0;
  /// It has our proof: it may be told its id.
  virtual void joined(ShardSession& session) = 0;
  /// Nothing comes from it any more.
  virtual void detach(ShardSession& session) = 0;
  /// An event of a shard that has its place.
  virtual void event(ShardSession& session, Shard& shard, std::string_view name,
                     std::optional<socketio::AckId> ack_id, socketio::Arguments arguments) = 0;
};

/// What all sessions use; it outlives them.
struct SessionContext {
  net::asio::io_context& loop;
  const Leadership& leadership;
  const socketio::AssemblyBudget& assembly;
  Directory& directory;
  SessionHost& host;
};

class ShardSession final : public net::SocketIoUpper {
 public:
  /// What comes of a request: its arguments, or nothing when the connection ended first.
  using Answer = std::function<void(const socketio::Arguments*)>;

  ShardSession(const SessionContext& context, Reservation reservation, std::string address);
  ~ShardSession() override;

  [[nodiscard]] const ShardName& name() const { return ref_.name; }
  /// What to keep of it over a wait (Directory::session).
  [[nodiscard]] const ShardRef& ref() const { return ref_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] Instant since() const { return since_; }
  /// Whether an agent speaks, which knows more events than WIRE.md's shards.
  [[nodiscard]] bool is_agent() const { return agent_; }

  /// Sends an event; `arguments` are JSON.
  void emit(std::string_view event, const std::vector<std::string_view>& arguments);
  /// Sends an event that wants an answer; `answer` is called at most once. Returns what `forget` takes.
  socketio::AckId request(std::string_view event, const std::vector<std::string_view>& arguments,
                          Answer answer);
  /// The same with a payload that many may share (socketio::event_payload).
  socketio::AckId request(std::shared_ptr<const std::string> payload, Answer answer);
  /// The same with a last argument that is read while it is sent, where the arguments have a placeholder.
  socketio::AckId request_with(std::string_view event, const std::vector<std::string_view>& arguments,
                               const std::shared_ptr<engineio::FrameSource>& source, Answer answer);
  /// No longer interested in the answer.
  void forget(socketio::AckId id) { pending_.erase(id); }
  void answer(socketio::AckId id, const std::vector<std::string_view>& arguments,
              const std::vector<std::string>& attachments = {});
  /// The error of an ack, or null; nothing where none is wanted, or the session is about to end.
  void answer_with(std::optional<socketio::AckId> ack_id, const Result<void>& result);
  /// Whether answers still reach it.
  [[nodiscard]] bool is_open() const { return open_; }
  /// Ends the session, and tells who waits for an answer: in a turn of their own, but however long the client
  /// takes to notice.
  void close();
  /// A line of the log about this shard.
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

  const SessionContext& context_;
  const ShardRef ref_;
  std::optional<Reservation> reservation_;  ///< until it is attached
  std::string address_;
  Instant since_{};
  bool open_ = false;
  MasterProof* shown_ = nullptr;  ///< whose proof it got, until it shows whether it takes that
  Instant shown_at_{};
  bool agent_ = false;
  socketio::AckId next_id_ = 0;
  std::unordered_map<socketio::AckId, Answer> pending_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for a proof that comes after this object
};

}  // namespace smaster::server
