// One shard's connection: its events and what it is asked. Events that mean more than bookkeeping are in
// files of their own.
#pragma once

#include <spdlog/common.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/socketio_upper.hpp"
#include "server/requests/eval.hpp"
#include "server/shards/reservation.hpp"

namespace smaster::server {

class Core;
class MasterProof;
struct Shard;

class ShardSession final : public net::SocketIoUpper {
 public:
  /// What comes of a request: its arguments, or nothing when the connection ended first.
  using Answer = std::function<void(const socketio::Arguments*)>;

  ShardSession(Core& core, Reservation reservation, std::string address);
  ~ShardSession() override;

  [[nodiscard]] const ShardName& name() const { return ref_.name; }
  /// What to keep of it over a wait (Fleet::session).
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
  /// Ends the session, and tells who waits for an answer: in a turn of their own, but however long the client
  /// takes to notice.
  void close();

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
  void say(spdlog::level::level_enum level, std::string_view event, const std::string& text) const;
  void fail_pending();
  void left();
  void on_identify(Shard& shard, std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments);
  void on_login(Shard& shard, const socketio::Arguments& arguments);
  /// The error of an ack, or null.
  void answer_with(std::optional<socketio::AckId> ack_id, const Result<void>& result);
  /// Room for a question of so many bytes; where there is none it is answered, with why.
  [[nodiscard]] std::shared_ptr<void> room_for(std::size_t bytes, std::optional<socketio::AckId> ack_id);
  /// What a question to other shards is answered with, while there is a place for one more; else nothing, and
  /// that is the answer.
  [[nodiscard]] std::optional<OnBroadcast> answer_with_result(std::optional<socketio::AckId> ack_id);
  void on_broadcast(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments,
                    Question (*question)(std::string_view));
  void on_respawn_all(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments);
  void on_write_file(std::optional<socketio::AckId> ack_id, socketio::Arguments arguments);
  void on_get_file(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments);
  /// Runs it and answers with its outcome, if the shard is still there.
  void answer_after(std::optional<socketio::AckId> ack_id, std::string what, net::Task<Result<void>> task);
  static net::Task<> carry_out(Core& core, ShardRef ref, std::optional<socketio::AckId> ack_id,
                               std::string what, net::Task<Result<void>> task);
  void on_reboot(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments);
  void on_send_sql(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments);
  void on_send_message(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments,
                       ShardId from);

  Core& core_;
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
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for answers that come after this object
};

}  // namespace smaster::server
