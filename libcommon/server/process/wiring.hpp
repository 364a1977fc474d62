// Creates all parts of the server and connects them. Only this room and tests know all of them. They are used
// on the one thread that runs the context.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "crypto/keys.hpp"
#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/clock.hpp"
#include "net/descriptors.hpp"
#include "net/engineio/server.hpp"
#include "net/loop_watch.hpp"
#include "net/task_scope.hpp"
#include "server/admission/admission.hpp"
#include "server/admission/attendance.hpp"
#include "server/admission/reception.hpp"
#include "server/admission/refusals.hpp"
#include "server/admission/registration.hpp"
#include "server/admission/rotation.hpp"
#include "server/alerts/alerts.hpp"
#include "server/api/control_api.hpp"
#include "server/api/http_api.hpp"
#include "server/checks/checks.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/leadership.hpp"
#include "server/dashboard/dashboard.hpp"
#include "server/events/events.hpp"
#include "server/fairness/places.hpp"
#include "server/fairness/slices.hpp"
#include "server/joining/joining.hpp"
#include "server/keys/master_proof.hpp"
#include "server/logs/logs.hpp"
#include "server/metrics/metrics.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/persistence/status_history.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/persistence/write_behind.hpp"
#include "server/planning/departed.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/heartbeats.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/requests/mail.hpp"
#include "server/requests/registrar.hpp"
#include "server/requests/shard_requests.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"
#include "settings/settings.hpp"
#include "wire/socketio/assembly_budget.hpp"

namespace smaster::server {

class Wiring {
 public:
  Wiring(net::asio::io_context& context, Settings settings, store::Store& store, store::HistoryStore& past,
         crypto::Signer signer);

  /// Begins to command shards: planning, heartbeats and write-behind.
  void start();
  /// Stops all parts. `save`: first writes unsaved data; false if another server may lead by now. Call once,
  /// at the end.
  net::Task<> finish(bool save);
  /// Applies reloaded settings to the fleet.
  void settings_changed();

  [[nodiscard]] Admission::Parts admission_parts();
  [[nodiscard]] Candidacy::Parts candidacy_parts();
  [[nodiscard]] ControlParts control_parts(net::EngineServer& engine);
  [[nodiscard]] Dashboard::Parts dashboard_parts();
  [[nodiscard]] HttpParts http_parts();

  net::asio::io_context& context;
  Settings settings;
  std::filesystem::path settings_file;                   ///< empty: there is none; set by the server
  std::uint16_t port = 0;                                ///< where shards connect, once listening
  std::function<net::Task<Result<void>>()> reload_keys;  ///< reloads the key files; set by the server
  std::function<std::vector<std::string>()> troubles;    ///< see StatsParts; set by the server
  std::function<void()> restart;                         ///< restarts this server in place; set by the server
  const Instant started = net::now();
  const Time started_at = net::wall_clock();
  /// Random id of this run: a proof made for it is not valid for the next run.
  const std::string instance = crypto::random_token(16);
  net::Descriptors descriptors{context};
  socketio::AssemblyBudget assembly;
  net::asio::thread_pool signatures{2};  ///< milliseconds each, and shards wait for them
  net::asio::thread_pool slow_work{2};   ///< seconds each: new keys
  net::asio::thread_pool rendering{1};   ///< milliseconds each: the text of answers, and compressing it
  net::LoopWatch loop;
  Slices slices{context};  ///< divides long work on the event loop
  // Limits of concurrent answers; for strangers also per address.
  Places operators_answers{32, 32};
  Places page_answers{64, 64};
  Places metrics_answers{16, 4};
  Places past_answers{8, 2};
  MasterProof proof;
  Leadership leadership;
  Metrics metrics;
  Events events;
  AlertBook alert_book;

  // The fleet. fleet_tasks is declared after all that its tasks use, so it ends first.
  Directory directory;
  FleetNews news;
  StoreThread store;
  RowWriter rows{context, directory, store, fleet_tasks};
  StatusHistory history{settings, store};
  WriteBehind write_behind{{context, settings, rows, history, events, store, fleet_tasks}};
  fleet::Orders orders{fleet::PlanSettings{}, net::fleet_clock()};
  OrderSender sender{context, settings, directory, rows, store, orders, fleet_tasks};
  Plans plans{context, settings, directory, store, orders, sender, news, events, fleet_tasks};
  Goal goal{settings, directory, store, orders, sender, plans, events, fleet_tasks};
  Heartbeats heartbeats{context, settings, directory, sender};
  Departed departed{context, settings, directory, events};
  Attendance attendance{{settings, directory, rows, history, orders, sender, plans, heartbeats, news,
                         departed, events, metrics}};
  Registration registration{
      {context, settings, directory, store, history, orders, sender, plans, goal, heartbeats, events}};
  net::TaskScope fleet_tasks;
  Refusals refusals;

  Rotation rotation;
  Reception reception{{settings, metrics, attendance, rotation, sender}};
  const SessionContext sessions{context, leadership, assembly, directory, events, reception};

  FairSemaphore history_turns{context, 1, 256, 256};
  const StatsParts stats{directory, goal, plans, sender, descriptors, slices, alert_book, started, troubles};
  const HistoryParts past{history, history_turns, rendering};
  const EventParts event_list{events, store};

  Evals evals{context, directory, metrics};
  Logs logs{{directory, evals, slices, tasks}};
  Sql sql{{context, settings, metrics}};
  Files files{{context, settings, settings_file, directory, descriptors}};
  Mail mail{{context, settings, tasks}};
  Update update{{context, settings}};
  AlertSender alert_sender{{context, settings, rendering, alert_tasks}};
  const ChecksParts checks{settings, settings_file,          stats,    store,
                           mail,     alert_sender.trouble(), refusals, slow_work};
  Registrar registrar;
  Joining joining{
      {context, settings, leadership, directory, store, events, proof, rotation, registrar, signatures}};
  const RespawnParts respawn_parts{context, directory, sender, news, slices, tasks};
  const RebootParts reboot_parts;
  const ReshardParts reshard_parts{context, directory, plans,  goal,      sender,
                                   news,    events,    slices, rendering, tasks};
  net::TaskScope tasks;  ///< tasks of parts without a scope of their own
  Respawns respawns{respawn_parts};
  Conditions conditions{{settings, directory, plans, sender, store, descriptors, slices}};
  Alerts alerts{{context, settings, store, events, alert_book, conditions, alert_sender, alert_tasks}};
  net::TaskScope alert_tasks;
  ShardRequests shard_requests{
      {settings, directory, metrics, tasks, evals, files, sql, update, respawns, events, reboot_parts}};
};

}  // namespace smaster::server
