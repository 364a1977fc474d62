// Lets new hosts join with a token: operators make tokens, hosts use them over the port for shards. Tokens
// are in the store, so that they outlast a restart and are known to whichever server leads.
#pragma once

#include <string>
#include <vector>

#include "net/asio.hpp"
#include "server/cluster/leadership.hpp"
#include "server/events/events.hpp"
#include "server/fairness/attempts.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/joining/token_book.hpp"
#include "server/keys/master_proof.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/requests/registrar.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"
#include "wire/join/join_line.hpp"

namespace smaster::server {

class Joining {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    const Leadership& leadership;
    Directory& directory;
    StoreThread& store;
    Events& events;
    const MasterProof& proof;
    Rotation& rotation;
    Registrar& registrar;
    net::asio::thread_pool& signatures;
  };
  explicit Joining(const Parts& parts);

  /// What an operator wants; the rest of the token is made here.
  struct Wanted {
    std::string host;
    int processes = 1;
    int shards_per_process = 1;
    std::size_t uses = 1;
    Millis valid{};
    std::string by;
  };
  struct Made {
    JoinToken token;
    std::string line;  ///< wire::JoinLine; holds the secret
    std::vector<std::string> urls;
  };
  /// Makes a token; persisted when it returns. Errors: those of TokenBook::add and of the store.
  net::Task<Result<Made>> make(Wanted wanted);
  /// not_found if there is no such token.
  net::Task<Result<void>> revoke(std::string id);
  net::Task<Result<std::vector<JoinToken>>> list();

  /// The outcome of a host's request.
  struct Outcome {
    std::optional<wire::JoinRefusal> refused;
    std::string text;  ///< unless it is refused: a sealed wire::JoinAnswer
  };
  /// Answers a host. `address`: the key of its limits.
  net::Task<Outcome> join(std::string body, std::string address);

 private:
  net::Task<Result<void>> load();
  net::Task<Result<void>> save(TokenBook book);
  net::Task<Outcome> join_in_turn(wire::Sealed sealed, wire::JoinRequest request, std::string address);
  [[nodiscard]] bool limited(const std::string& address);
  [[nodiscard]] Outcome failed() const;
  Outcome refuse(wire::JoinRefusal why, const std::string& address, const std::string& words);

  const Parts parts_;
  FairSemaphore turns_;  ///< of all that uses or changes the tokens, by address
  TokenBook book_;
  bool loaded_ = false;
  fleet::Attempts attempts_;  ///< wrong requests, by address
  fleet::Attempts told_;      ///< refusals that became events
  const std::string decoy_;
};

}  // namespace smaster::server
