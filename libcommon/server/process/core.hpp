// What the parts of the server share. Everything in it belongs to the one thread that runs the context.
#pragma once

#include <algorithm>
#include <functional>

#include "crypto/keys.hpp"
#include "net/asio.hpp"
#include "net/clock.hpp"
#include "net/descriptors.hpp"
#include "net/engine_server.hpp"
#include "net/loop_watch.hpp"
#include "net/task_scope.hpp"
#include "server/admission/rotation.hpp"
#include "server/cluster/leadership.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/fairness/places.hpp"
#include "server/fairness/slices.hpp"
#include "server/keys/master_proof.hpp"
#include "server/metrics/metrics.hpp"
#include "server/planning/fleet.hpp"
#include "server/requests/files.hpp"
#include "server/requests/mail.hpp"
#include "server/requests/respawn.hpp"
#include "server/requests/sql.hpp"
#include "server/requests/update.hpp"
#include "settings/settings.hpp"
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
  net::asio::thread_pool rendering{1};   ///< milliseconds each: the text of answers, and compressing it
  net::LoopWatch loop;
  Slices slices{context};  ///< what takes long on the loop
  // Answers under way at once; one address has a part of the strangers' at most.
  Places operators_answers{32, 32};
  Places page_answers{64, 64};
  Places metrics_answers{16, 4};
  Places past_answers{8, 2};
  Places shards_questions{2'000, 64};             ///< evals and messages of shards; so many for each
  Places questions_bytes{512u << 20, 32u << 20};  ///< what those hold until their last answer
  std::size_t awaited = 0;                        ///< answers of shards that evals wait for
  static constexpr std::size_t kMostAwaited = 500'000;
  MasterProof proof;
  Leadership leadership;
  Rotation rotation{*this};
  Metrics metrics;
  Sql sql{*this};
  Files files{*this};
  Mail mail{*this};
  Update update{*this};
  FairSemaphore history_turns{context, 1, 256,
                              256};  ///< who reads the past; what is written does not wait for more
  Fleet fleet;
  net::TaskScope tasks;  ///< what no part has a scope of its own for
  Respawns respawns{*this};
  std::function<void()> reload_keys;  ///< from their files; set by the server
  std::function<void()> restart;      ///< of this server, in place; set by it
  std::uint16_t port = 0;             ///< where shards connect, once listening
};

}  // namespace smaster::server
