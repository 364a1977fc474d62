// From one server to another's control API: an HTTP upgrade on the port for shards, allowed to who has the
// master's private key, which servers of one fleet share. What follows is HTTP as on the control socket.
#pragma once

#include <memory>
#include <string>

#include "crypto/authorization.hpp"
#include "net/address.hpp"
#include "net/application.hpp"
#include "net/http_client.hpp"
#include "net/stream.hpp"
#include "server/fairness/attempts.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/keys/master_proof.hpp"
#include "settings/settings.hpp"
#include "store/election.hpp"

namespace smaster::server {

/// In the answers to /readyz: who leads, and by how many milliseconds what a server has read is older.
inline constexpr const char* kLeaderHeader = "X-Smaster-Leader";
inline constexpr const char* kLagHeader = "X-Smaster-Lag";
/// And which run of the server answers.
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

  /// A connection on which the member's control API answers. unavailable says why there is none.
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(const store::Member& member);
  /// How far behind the leader the member is. unavailable: it does not answer.
  net::Task<Result<Millis>> lag(const store::Member& member);

  [[nodiscard]] static bool asked_for(const net::Request& request);
  /// Whether the request proves that it is from a server of ours, and for this run of this one (`name`): each
  /// proof is good once, and for [shards] timestamp_precision. What was used is kept in memory, which is
  /// enough: the next run is another instance, and takes none that were made for this one. What can be told
  /// without a signature's check is refused before it, and so is an address that has failed too often
  /// ([limits]); the checks take turns in the pool.
  net::Task<boost::beast::http::status> judge(const net::Request& request, const net::Address& peer,
                                              std::string name);

 private:
  boost::beast::http::status refuse(const std::string& address, const char* why);
  [[nodiscard]] Result<net::HttpEndpoint> endpoint(const store::Member& member) const;

  const Parts parts_;
  crypto::UsedHeaders used_;
  fleet::Attempts attempts_;  ///< that failed, by address
  std::size_t prune_at_ = 1024;
  FairSemaphore turns_;
  Instant said_{};  ///< when a refusal was last logged
};

}  // namespace smaster::server
