// Connections from one server of a cluster to another's control API: an HTTP upgrade on the shard port,
// authenticated with the master's private key, which the servers share. HTTP follows as on the control
// socket.
#pragma once

#include <memory>
#include <string>

#include "crypto/authorization.hpp"
#include "net/address.hpp"
#include "net/http.hpp"
#include "net/http_client.hpp"
#include "net/stream.hpp"
#include "server/fairness/attempts.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/keys/master_proof.hpp"
#include "settings/settings.hpp"
#include "store/election.hpp"

namespace smaster::server {

/// Headers of answers to /readyz: the leader's URL, and the age of the data read ahead, in milliseconds.
inline constexpr const char* kLeaderHeader = "X-Smaster-Leader";
inline constexpr const char* kLagHeader = "X-Smaster-Lag";
/// The random id of the server's present run.
inline constexpr const char* kInstanceHeader = "X-Smaster-Instance";

class PeerLink {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    const MasterProof& proof;
    net::asio::thread_pool& signatures;
    const std::string& instance;
  };
  explicit PeerLink(const Parts& parts);

  /// Opens a connection to the member's control API. Errors: unavailable, with the reason; those of the CA
  /// file.
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(const store::Member& member);
  /// The age of the member's data read ahead. Errors: unavailable if it does not answer.
  net::Task<Result<Millis>> lag(const store::Member& member);

  /// True for a request to upgrade to the control protocol.
  [[nodiscard]] static bool asked_for(const net::Request& request);
  /// Decides on a request from another server to this one (`name`). switching_protocols if its proof is
  /// signed with the shared key, for this run; else forbidden, too_many_requests or service_unavailable. A
  /// proof is valid once, and for [shards] timestamp_precision. Used proofs are kept in memory only: the next
  /// run has another instance id, for which they are not valid. The failed attempts of the address
  /// ([limits]), and all that needs no signature check, are checked first. Signature checks are queued fairly
  /// by address.
  net::Task<boost::beast::http::status> judge(const net::Request& request, const net::Address& peer,
                                              std::string name);

 private:
  boost::beast::http::status refuse(const std::string& address, const char* why);
  net::Task<Result<net::HttpEndpoint>> endpoint(const store::Member& member);

  const Parts parts_;
  crypto::UsedHeaders used_;
  fleet::Attempts attempts_;  ///< failed attempts, by address
  FairSemaphore turns_;
  Instant said_{};  ///< when a refusal was last logged
};

}  // namespace smaster::server
