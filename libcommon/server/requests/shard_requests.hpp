// Requests of shards: evals of and messages to other shards, files, SQL, respawns and reboots. Each is
// answered by its ack.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/task_scope.hpp"
#include "server/fairness/places.hpp"
#include "server/requests/eval.hpp"
#include "server/requests/files.hpp"
#include "server/requests/reboot.hpp"
#include "server/requests/respawn.hpp"
#include "server/requests/sql.hpp"
#include "server/requests/update.hpp"
#include "server/shards/shard_session.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class ShardRequests {
 public:
  struct Parts {
    const Settings& settings;
    Directory& directory;
    Metrics& metrics;
    net::TaskScope& tasks;
    Evals& evals;
    Files& files;
    Sql& sql;
    Update& update;
    Respawns& respawns;
    Events& events;
    const RebootParts& reboot;
  };
  explicit ShardRequests(const Parts& parts) : parts_(parts) {}

  /// Handles an event of `shard` on its session; returns false if it is no known request.
  bool handle(ShardSession& session, const Shard& shard, std::string_view name,
              std::optional<socketio::AckId> ack_id, socketio::Arguments& arguments);
  /// A shard has joined: sends it the files of [shards] copy_files.
  void is_there(const ShardSession& session);
  /// The connection has ended.
  void left(const ShardSession& session);

 private:
  using AckId = std::optional<socketio::AckId>;

  /// Memory budget for a question of this many bytes. If there is none, answers with an error and returns
  /// null.
  [[nodiscard]] std::shared_ptr<void> room_for(ShardSession& session, std::size_t bytes, AckId ack_id);
  /// Memory budget for the answers to a question of this shard.
  [[nodiscard]] RoomFor room_for_answers(const ShardSession& session);
  /// The callback that answers a question to other shards. If too many are in progress, answers with an error
  /// and returns nullopt. `script`: of an eval, which is recorded.
  [[nodiscard]] std::optional<OnBroadcast> answer_with_result(ShardSession& session, AckId ack_id,
                                                              std::string_view script = {});
  /// Records what the shard asks for all day; `text` is only called if it is recorded.
  void record(fleet::EventKind kind, const ShardName& who, const std::string& address,
              const std::function<std::string()>& text);
  /// Records what it rarely asks for, and logs it.
  void request_recorded(const ShardSession& session, fleet::EventKind kind, std::string text);
  void on_broadcast(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                    std::optional<Question> asked);
  void on_respawn_all(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_write_file(ShardSession& session, AckId ack_id, socketio::Arguments arguments);
  void on_get_file(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  /// Runs a file operation and answers with its outcome, if the shard is still connected.
  void answer_after(ShardSession& session, AckId ack_id, std::string what, net::Task<Result<void>> task);
  net::Task<> carry_out(ShardRef ref, AckId ack_id, std::string what, net::Task<Result<void>> task);
  void on_reboot(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_send_sql(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_send_message(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                       ShardId from);

  const Parts parts_;
  Places questions_{2'000, 64};  ///< evals and messages in progress: in total, and per shard
  Places questions_bytes_{512u << 20, 32u << 20};  ///< bytes that they hold until their last answer
  Places answers_bytes_{256u << 20, 48u << 20};    ///< bytes of the answers that are collected
};

}  // namespace smaster::server
