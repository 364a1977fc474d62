// What shards ask for: evals and messages of other shards, files, SQL, respawns and reboots. Each is answered
// by its ack.
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
    const RebootParts& reboot;
  };
  explicit ShardRequests(const Parts& parts) : parts_(parts) {}

  /// An event of `shard`, whose session this is; false: it asks for nothing that there is.
  bool handle(ShardSession& session, const Shard& shard, std::string_view name,
              std::optional<socketio::AckId> ack_id, socketio::Arguments& arguments);
  /// It has its place: it gets [shards] copy_files.
  void is_there(const ShardSession& session);

 private:
  using AckId = std::optional<socketio::AckId>;

  /// Room for a question of so many bytes; where there is none it is answered, with why.
  [[nodiscard]] std::shared_ptr<void> room_for(ShardSession& session, std::size_t bytes, AckId ack_id);
  /// What a question to other shards is answered with, while there is a place for one more; else nothing, and
  /// that is the answer.
  [[nodiscard]] std::optional<OnBroadcast> answer_with_result(ShardSession& session, AckId ack_id);
  void on_broadcast(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                    Question (*question)(std::string_view));
  void on_respawn_all(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_write_file(ShardSession& session, AckId ack_id, socketio::Arguments arguments);
  void on_get_file(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  /// Runs it and answers with its outcome, if the shard is still there.
  void answer_after(ShardSession& session, AckId ack_id, std::string what, net::Task<Result<void>> task);
  net::Task<> carry_out(ShardRef ref, AckId ack_id, std::string what, net::Task<Result<void>> task);
  void on_reboot(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_send_sql(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments);
  void on_send_message(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                       ShardId from);

  const Parts parts_;
  Places questions_{2'000, 64};                    ///< evals and messages under way; so many for each shard
  Places questions_bytes_{512u << 20, 32u << 20};  ///< what those hold until their last answer
};

}  // namespace smaster::server
