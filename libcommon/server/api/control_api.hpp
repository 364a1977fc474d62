// The control API: one table of the requests below `/v1/`. Documented in man 7 smaster-control.
#pragma once

#include <cstdint>
#include <functional>

#include "control/stream.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/admission/registration.hpp"
#include "server/admission/rotation.hpp"
#include "server/alerts/alerts.hpp"
#include "server/checks/checks.hpp"
#include "server/fairness/places.hpp"
#include "server/fairness/slices.hpp"
#include "server/joining/joining.hpp"
#include "server/logs/logs.hpp"
#include "server/requests/eval.hpp"
#include "server/requests/files.hpp"
#include "server/requests/reboot.hpp"
#include "server/requests/registrar.hpp"
#include "server/requests/reshard.hpp"
#include "server/requests/respawn.hpp"
#include "server/requests/sql.hpp"
#include "server/requests/update.hpp"
#include "server/stats/event_list.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"
#include "settings/settings.hpp"

namespace smaster::net {
class EngineServer;
}

namespace smaster::server {

class Candidacy;
class PeerLink;

/// The parts that requests use.
struct ControlParts {
  net::asio::io_context& context;
  const Settings& settings;
  const Time started_at;
  const std::uint16_t& port;
  net::TaskScope& tasks;
  Slices& slices;
  Places& operators_answers;
  Directory& directory;
  Registration& registration;
  Rotation& rotation;
  Registrar& registrar;
  Joining& joining;
  const StatsParts& stats;
  const HistoryParts& history;
  const EventParts& event_list;
  Alerts& alerts;
  Evals& evals;
  Logs& logs;
  const RespawnParts& respawns;
  const RebootParts& reboot;
  const ReshardParts& reshard;
  Files& files;
  Sql& sql;
  Update& update;
  net::EngineServer& engine;
  const ChecksParts& checks;
};

struct ControlContext {
  const ControlParts& parts;
  std::function<void()> stop;
  // With a shared store only:
  Candidacy* candidacy = nullptr;  ///< null: no shared store
  PeerLink* peers = nullptr;
  std::function<void()> step_down = {};
  bool leads = true;
  const DiscordWatch* discord = nullptr;
};

/// Answers a request. unavailable while this server does not lead, except for requests about the server
/// itself (is_local).
net::Task<control::Answer> handle_control(ControlContext context, control::Call call);

}  // namespace smaster::server
