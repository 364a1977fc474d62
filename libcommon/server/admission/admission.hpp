// Decides on a shard's handshake before any session exists. Source: WIRE.md and SPEC, "Handshake".
#pragma once

#include "net/address.hpp"
#include "net/engineio/application.hpp"
#include "server/admission/refusals.hpp"
#include "server/admission/registration.hpp"
#include "server/cluster/leadership.hpp"
#include "server/fairness/attempts.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/keys/master_proof.hpp"
#include "server/metrics/metrics.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/shards/shard_session.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Admission {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    Metrics& metrics;
    Directory& directory;
    RowWriter& rows;
    Registration& registration;
    Refusals& refusals;
    const MasterProof& proof;
    const Leadership& leadership;
    net::asio::thread_pool& signatures;
    const SessionContext& sessions;
  };
  explicit Admission(const Parts& parts);
  /// Returns a session with a reservation, or the refusal to answer with. On the way it persists the used
  /// header and registers a further process of the shard.
  net::Task<net::Admission> decide(net::HandshakeRequest request);
  /// Applies changed trusted proxies.
  void settings_changed();

 private:
  net::Refusal refuse(const std::string& address, std::string_view outcome, std::string_view why);

  [[nodiscard]] std::string key_for(const ShardName& name) const;

  const Parts parts_;
  net::Proxies proxies_;
  fleet::Attempts attempts_;
  FairSemaphore turns_;
};

}  // namespace smaster::server
