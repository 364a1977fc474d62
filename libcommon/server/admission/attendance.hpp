// Who is connected, and what that means for the fleet: a connection has its shard's place or is refused it,
// and its statuses say what its bot does.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fleet/orders.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/persistence/status_history.hpp"
#include "server/planning/heartbeats.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// What an agent's bot gets to end when it has lost its master (kLostGrace), and a little for the way.
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
  };
  explicit Attendance(const Parts& parts)
      : settings_(parts.settings),
        directory_(parts.directory),
        rows_(parts.rows),
        history_(parts.history),
        orders_(parts.orders),
        sender_(parts.sender),
        plans_(parts.plans),
        heartbeats_(parts.heartbeats) {}

  /// The connection is there, and says whose it is: it replaces the shard's old one. Refused when the shard
  /// was revoked meanwhile, or another master shard came first.
  [[nodiscard]] Result<void> attach(ShardSession& session, Reservation reservation, fleet::Holder claimant);
  /// Why an agent may not have its shard's place now: another one has it, whose bot may still run.
  [[nodiscard]] std::optional<std::string> refusal(const ShardName& name,
                                                   const fleet::Holder& claimant) const;
  /// The same, and remembers that it was there.
  [[nodiscard]] std::optional<std::string> refuse(const ShardSession& session, const fleet::Holder& claimant);
  /// An agent asks how long its bot may run. It may for `term` from when it asked; nobody gets its ids
  /// before.
  void extend_lease(Shard& shard, Millis term);
  /// An agent leaves, and no bot of its runs.
  void leave(Shard& shard);
  /// What its shard can take: shard ids a process, and on which host.
  void introduced(ShardSession& session, std::uint32_t capacity, const std::string& host,
                  const std::string& kind);
  /// It has joined the namespace and has our proof: it may be told its id.
  void joined(ShardSession& session);
  void detach(ShardSession& session);
  /// `names`: as read_status has them.
  void status(Shard& shard, std::string_view json, std::span<const std::string_view> names);
  void seen(Shard& shard);

  /// Set by the wiring: something that operators should hear of.
  std::function<void(const std::string&)> alert;

 private:
  void claim(Shard& shard, fleet::Holder claimant, bool replaces);
  void count_replacement(Shard& shard, const ShardSession& old, const ShardSession& session);
  void say(const fleet::Parked& parked);
  void say_refused(const Shard& shard);

  const Settings& settings_;
  Directory& directory_;
  RowWriter& rows_;
  StatusHistory& history_;
  fleet::Orders& orders_;
  OrderSender& sender_;
  Plans& plans_;
  Heartbeats& heartbeats_;
};

}  // namespace smaster::server
