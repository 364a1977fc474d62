// What the parts of the server share. Everything in it belongs to the one thread that runs the context.
#pragma once

#include <functional>

#include "net/asio.hpp"
#include "net/clock.hpp"
#include "net/engine_server.hpp"
#include "net/loop_watch.hpp"
#include "server/files.hpp"
#include "server/fleet.hpp"
#include "server/leadership.hpp"
#include "server/mail.hpp"
#include "server/master_proof.hpp"
#include "server/metrics.hpp"
#include "server/places.hpp"
#include "server/rotation.hpp"
#include "server/settings.hpp"
#include "server/slices.hpp"
#include "server/sql.hpp"
#include "server/turns.hpp"
#include "server/update.hpp"

namespace smaster::server {

/// The server's private key, in its state folder.
inline constexpr const char* kPrivateKeyFile = "shardMaster.priv";

class Core {
 public:
  Core(net::asio::io_context& context_, Settings settings_, store::Store& store, store::HistoryStore& past,
       crypto::Signer signer)
      : context(context_),
        settings(std::move(settings_)),
        started(std::chrono::steady_clock::now()),
        started_at(net::wall_clock()),
        proof(context_, signatures, std::move(signer)),
        fleet(context_, settings, store, past) {}

  net::asio::io_context& context;
  Settings settings;
  const Instant started;
  const Time started_at;
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
  std::function<void()> reload_keys;  ///< from their files; set by the server
  std::function<void()> restart;      ///< of this server, in place; set by it
  std::uint16_t port = 0;             ///< where shards connect, once listening
};

}  // namespace smaster::server
