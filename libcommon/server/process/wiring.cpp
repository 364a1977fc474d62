#include "server/process/wiring.hpp"

#include <algorithm>
#include <utility>

namespace smaster::server {
namespace {

/// Limits of packets whose attachments are incomplete, in bytes: for each shard twice the largest packet, or
/// 64 MiB if that is more; in total four times that.
socketio::AssemblyBudget::Limits assembly_limits(std::size_t max_payload) {
  const auto each = std::max<std::size_t>(2 * (socketio::kMaxAttachments + 1) * max_payload, 64u << 20);
  return {each, 4 * each};
}

}  // namespace

Wiring::Wiring(net::asio::io_context& context_, Settings settings_, store::Store& store_,
               store::HistoryStore& past_, crypto::Signer signer)
    : context(context_),
      settings(std::move(settings_)),
      assembly(assembly_limits(settings.max_payload)),
      proof(context_, signatures, std::move(signer)),
      store(store_, past_),
      fleet_tasks(context_.get_executor(), "fleet"),
      rotation({context, settings, directory, store, proof, slow_work, signatures, slices, tasks,
                [this] { return reload_keys(); }}),
      registrar({context, settings, port, directory, registration, history, rotation, proof, mail, events,
                 slices, slow_work}),
      reboot_parts{directory, sender, slices, [this] { restart(); }},
      tasks(context_.get_executor(), "server"),
      alert_tasks(context_.get_executor(), "alerts") {
  registration.on_revoked = [this](const ShardName& name) { sql.forget(name.str()); };
  store.changed = [this](bool works, const std::string& text) {
    events.record({works ? fleet::EventKind::recovered : fleet::EventKind::store, text});
  };
  alerts.mail = [this](const std::string& text, const std::string& details) { mail.alert(text, details); };
  reception.requested = [this](ShardSession& session, const Shard& shard, std::string_view name,
                               std::optional<socketio::AckId> ack_id, socketio::Arguments& arguments) {
    if (name == "logLines" && session.is_agent()) {
      logs.pushed(session, shard, arguments);
      return true;
    }
    return shard_requests.handle(session, shard, name, ack_id, arguments);
  };
  reception.is_there = [this](ShardSession& session) { shard_requests.is_there(session); };
  reception.has_left = [this](const ShardSession& session) { shard_requests.left(session); };
}

void Wiring::start() {
  plans.take_over();
  goal.follow_settings();
  plans.watch();
  departed.take_over();
  alerts.start();
  heartbeats.arm();
  write_behind.start();
}

net::Task<> Wiring::finish(bool save) {
  sender.finish();
  plans.stop();
  heartbeats.stop();
  departed.stop();
  alerts.stop();
  write_behind.stop();
  if (save) co_await write_behind.flush();
  co_await alert_tasks.join();
  co_await fleet_tasks.join();
}

void Wiring::settings_changed() {
  if (sender.refresh_config()) fleet_tasks.spawn("tell all anew", sender.tell_all_anew());
  goal.follow_settings();
  heartbeats.arm();
  alert_sender.settings_changed();
}

Admission::Parts Wiring::admission_parts() {
  return {context,  settings, metrics,    directory,  rows,    registration,
          refusals, proof,    leadership, signatures, sessions};
}

Candidacy::Parts Wiring::candidacy_parts() {
  return {context, leadership, [this] { return store.read_ahead(); }};
}

ControlParts Wiring::control_parts(net::EngineServer& engine) {
  return {context,    settings,     started_at, port,      tasks,         slices,       operators_answers,
          directory,  registration, rotation,   registrar, joining,       stats,        past,
          event_list, alerts,       evals,      logs,      respawn_parts, reboot_parts, reshard_parts,
          files,      sql,          update,     engine,    checks};
}

Dashboard::Parts Wiring::dashboard_parts() {
  return {context, settings, descriptors, slow_work, page_answers, stats, history, event_list};
}

HttpParts Wiring::http_parts() {
  return {settings,
          leadership,
          store,
          instance,
          directory,
          slices,
          stats,
          past,
          conditions,
          joining,
          metrics_answers,
          past_answers,
          rendering,
          [this] {
            const auto now = net::now();
            Counts kinds;
            for (std::size_t i = 0; i < events.counts().size(); ++i) {
              kinds[fleet::all_event_kinds()[i].word] = events.counts()[i];
            }
            const Gauges gauges{sender.identify().waiting(),
                                sql.waiting(),
                                mail.waiting(),
                                files.waiting(),
                                &descriptors,
                                loop.longest(now),
                                loop.busy(),
                                loop.worked_long(),
                                loop.stood_long(),
                                conditions.ids(),
                                conditions.ids_down(),
                                alert_book.active().size(),
                                std::move(kinds),
                                store.trouble().empty(),
                                store.disk_full(),
                                leadership.held()};
            return metrics.text(gauges);
          }};
}

}  // namespace smaster::server
