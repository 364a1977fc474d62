// What the parts of the server share. Everything in it belongs to the one thread that runs the context.
#pragma once

#include <algorithm>
#include <functional>

#include "crypto/keys.hpp"
#include "net/asio.hpp"
#include "net/clock.hpp"
#include "net/descriptors.hpp"
#include "net/engine_server.hpp"
#include "net/task_scope.hpp"
#include "server/files.hpp"
#include "server/fleet.hpp"
#include "server/leadership.hpp"
#include "server/mail.hpp"
#include "server/master_proof.hpp"
#include "server/metrics.hpp"
#include "server/respawn.hpp"
#include "server/rotation.hpp"
#include "server/settings.hpp"
#include "server/sql.hpp"
#include "server/turns.hpp"
#include "server/update.hpp"
#include "wire/socketio/assembly_budget.hpp"

namespace smaster::server {

/// The server's private key, in its state folder.
inline constexpr const char* kPrivateKeyFile = "shardMaster.priv";

/// Bytes of packets whose attachments are still to come: two of the largest of one key, or 64 MiB; four times
/// that of all.
[[nodiscard]] inline socketio::AssemblyBudget::Limits assembly_limits(std::size_t max_payload) {
  const auto each = std::max<std::size_t>(2 * (socketio::kMaxAttachments + 1) * max_payload, 64u << 20);
  return {each, 4 * each};
}

class Core {
 public:
  Core(net::asio::io_context& context_, Settings settings_, store::Store& store, store::HistoryStore& past,
       crypto::Signer signer)
      : context(context_),
        settings(std::move(settings_)),
        started(std::chrono::steady_clock::now()),
        started_at(net::wall_clock()),
        descriptors(context_),
        assembly(assembly_limits(settings.max_payload)),
        proof(context_, signatures, std::move(signer)),
        fleet(context_, settings, store, past),
        tasks(context_.get_executor(), "server") {}

  net::asio::io_context& context;
  Settings settings;
  std::filesystem::path settings_file;  ///< empty: there is none; set by the server
  const Instant started;
  const Time started_at;
  /// Another one at each start: what is proved to this run is no proof to the next.
  const std::string instance = crypto::random_token(16);
  net::Descriptors descriptors;
  socketio::AssemblyBudget assembly;
  net::asio::thread_pool signatures{2};  ///< milliseconds each, and shards wait for them
  net::asio::thread_pool slow_work{2};   ///< seconds each: new keys
  MasterProof proof;
  Leadership leadership;
  Rotation rotation{*this};
  Metrics metrics;
  Sql sql{*this};
  Files files{*this};
  Mail mail{*this};
  Update update{*this};
  Turns history_turns{context, 1, 256, 256};  ///< who reads the past; what is written does not wait for more
  Fleet fleet;
  net::TaskScope tasks;  ///< what no part has a scope of its own for
  Respawns respawns{*this};
  std::function<void()> reload_keys;  ///< from their files; set by the server
  std::function<void()> restart;      ///< of this server, in place; set by it
  std::uint16_t port = 0;             ///< where shards connect, once listening
};

}  // namespace smaster::server
