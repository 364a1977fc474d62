// All checks of `smaster doctor` that the running server makes: this machine, the fleet, Discord's limits,
// and the server's own parts.
#pragma once

#include <filesystem>
#include <vector>

#include "checks/finding.hpp"
#include "net/asio.hpp"
#include "server/admission/refusals.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/peer_link.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/discord_watch.hpp"
#include "server/requests/mail.hpp"
#include "server/stats/stats.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

struct ChecksParts {
  const Settings& settings;
  const std::filesystem::path& settings_file;  ///< empty: there is none
  const StatsParts& stats;
  const StoreThread& store;
  const Mail& mail;
  const std::string& alerts_trouble;  ///< last failure of a webhook or program of [alerts]
  const Refusals& refusals;
  net::asio::thread_pool& pool;  ///< may be blocked for seconds by slow disks
};

/// The parts that only a server that listens has. Null: none.
struct ChecksOfServer {
  const DiscordWatch* discord = nullptr;
  Candidacy* candidacy = nullptr;
  PeerLink* peers = nullptr;
};

/// One finding for each check.
net::Task<std::vector<checks::Finding>> check_server(const ChecksParts& parts, ChecksOfServer server);

}  // namespace smaster::server
