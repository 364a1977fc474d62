// Connected shards: attaches a session to its shard or refuses it, and applies statuses to the fleet's data.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fleet/orders.hpp"
#include "server/events/events.hpp"
#include "server/metrics/metrics.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/persistence/status_history.hpp"
#include "server/planning/departed.hpp"
#include "server/planning/heartbeats.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/fleet_news.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// Added to the timeout after which an agent's ids may move: the time its bot gets to end (kLostGrace), plus
/// delays of the network.
inline constexpr Millis kAgentMargin{7'000};

class Attendance {
 public:
  struct Parts {
    const Settings& settings;
    Directory& directory;
    RowWriter& rows;
    StatusHistory& history;
    fleet::Orders& orders;
    OrderSender& sender;
    Plans& plans;
    Heartbeats& heartbeats;
    FleetNews& news;
    Departed& departed;
    Events& events;
    Metrics& metrics;
  };
  explicit Attendance(const Parts& parts)
      : settings_(parts.settings),
        directory_(parts.directory),
        rows_(parts.rows),
        history_(parts.history),
        orders_(parts.orders),
        sender_(parts.sender),
        plans_(parts.plans),
        heartbeats_(parts.heartbeats),
        news_(parts.news),
        departed_(parts.departed),
        events_(parts.events),
        metrics_(parts.metrics) {}

  /// Attaches the session to its shard and closes the shard's previous session. Errors: not_found if the
  /// shard was revoked since the reservation, not_permitted if another master shard is connected.
  [[nodiscard]] Result<void> attach(ShardSession& session, Reservation reservation, fleet::Holder claimant);
  /// The reason to refuse an agent: another agent holds the shard, and is connected or may still run its bot.
  /// nullopt: it may attach.
  [[nodiscard]] std::optional<std::string> refusal(const ShardName& name,
                                                   const fleet::Holder& claimant) const;
  /// The same; a refusal is also recorded as a duplicate and logged.
  [[nodiscard]] std::optional<std::string> refuse(const ShardSession& session, const fleet::Holder& claimant);
  /// An agent requests a lease: its bot may run for `term` after the request, and its ids are not assigned to
  /// another shard before that.
  void extend_lease(Shard& shard, Millis term);
  /// An agent leaves, and its bot has ended: the shard has no holder any more, and once it is disconnected,
  /// its ids may go to spares.
  void leave(Shard& shard);
  /// Records what the shard's agent tells about itself. Ignored if the session was replaced.
  void introduced(ShardSession& session, const Introduction& introduction);
  /// The session was sent the master's proof: orders may follow. Ignored if it was replaced.
  void joined(ShardSession& session);
  /// The session has ended. Ignored if it was replaced.
  void detach(ShardSession& session);
  /// Handles a status. `names`: see read_status.
  void status(Shard& shard, std::string_view json, std::span<const std::string_view> names);
  /// Records a sign of life.
  void seen(Shard& shard);

 private:
  void claim(Shard& shard, fleet::Holder claimant, bool replaces);
  void count_replacement(Shard& shard, const ShardSession& old, const ShardSession& session);
  void say(const fleet::Parked& parked);
  void look_for_login(Shard& shard, const fleet::ShardStatus& status, Time now);
  void say_refused(const Shard& shard);

  const Settings& settings_;
  Directory& directory_;
  RowWriter& rows_;
  StatusHistory& history_;
  fleet::Orders& orders_;
  OrderSender& sender_;
  Plans& plans_;
  Heartbeats& heartbeats_;
  FleetNews& news_;
  Departed& departed_;
  Events& events_;
  Metrics& metrics_;
};

}  // namespace smaster::server
