// Dispatches the events of sessions: statuses, leases and logins to the fleet, requests to `requested`.
#pragma once

#include <functional>

#include "server/admission/attendance.hpp"
#include "server/admission/rotation.hpp"
#include "server/metrics/metrics.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/shard_session.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Reception final : public SessionHost {
 public:
  struct Parts {
    const Settings& settings;
    Metrics& metrics;
    Attendance& attendance;
    Rotation& rotation;
    OrderSender& sender;
  };
  /// Handles a request of a shard; returns false for an unknown event.
  using Requested = std::function<bool(ShardSession&, const Shard&, std::string_view name,
                                       std::optional<socketio::AckId>, socketio::Arguments&)>;

  explicit Reception(const Parts& parts) : parts_(parts) {}

  // SessionHost
  [[nodiscard]] std::optional<std::string> refusal(const ShardName& name,
                                                   const fleet::Holder& claimant) override;
  [[nodiscard]] std::optional<std::string> refuse(const ShardSession& session,
                                                  const fleet::Holder& claimant) override;
  [[nodiscard]] Result<void> attach(ShardSession& session, Reservation reservation,
                                    fleet::Holder claimant) override;
  void introduced(ShardSession& session, const Introduction& introduction) override;
  [[nodiscard]] MasterProof& proof_for(const ShardName& name) override;
  void took_proof(const ShardName& name, const MasterProof& proof) override;
  void refused_proof(const ShardName& name, const MasterProof& proof) override;
  void joined(ShardSession& session) override;
  void detach(ShardSession& session) override;
  void event(ShardSession& session, Shard& shard, std::string_view name,
             std::optional<socketio::AckId> ack_id, socketio::Arguments arguments) override;

  /// Set by the wiring: the handler of requests, and functions called when a shard has joined, and when its
  /// connection has ended.
  Requested requested;
  std::function<void(ShardSession&)> is_there;
  std::function<void(const ShardSession&)> has_left;

 private:
  void on_identify(ShardSession& session, Shard& shard, std::optional<socketio::AckId> ack_id,
                   const socketio::Arguments& arguments);
  void on_login(Shard& shard, const socketio::Arguments& arguments);

  const Parts parts_;
};

}  // namespace smaster::server
