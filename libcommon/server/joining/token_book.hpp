// The tokens with which new hosts may join: how often and until when each may be used, and by whom it was.
// Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "wire/join/join_messages.hpp"

namespace smaster::server {

struct JoinToken {
  /// A host that has joined.
  struct Use {
    std::string shard;
    std::string key;                  ///< crypto::fingerprint of the shard's public key
    std::vector<std::string> nonces;  ///< of its requests: more than one if answers were lost
  };

  std::string id;
  std::string secret;  ///< the key of the proofs
  std::string host;    ///< the label of the host; empty: unset
  int processes = 1;
  int shards_per_process = 1;
  std::size_t uses = 1;
  Time until{};
  std::string by;  ///< who asked for it
  std::vector<Use> used = {};

  [[nodiscard]] bool good(Time now) const { return now < until && used.size() < uses; }
};

class TokenBook {
 public:
  /// Maximum number of tokens, of hosts that may join by all or by one of them, and of days that one is
  /// valid.
  static constexpr std::size_t kMostTokens = 100;
  static constexpr std::size_t kMostHosts = 1'000;
  static constexpr std::size_t kMostUses = 100;
  static constexpr std::chrono::days kLongest{7};
  /// A token is kept for this long after its time, to say why it is refused.
  static constexpr std::chrono::hours kKept{24};

  /// Removes what is older than kKept, and more that cannot be used any more if there is no room.
  /// not_permitted if that is not enough.
  [[nodiscard]] Result<void> add(JoinToken token, Time now);
  /// False if there is no such token.
  bool remove(std::string_view id);

  /// Of one host; each request is good once.
  static constexpr std::size_t kMostRequests = 4;

  /// The outcome of a request.
  struct Judged {
    std::optional<wire::JoinRefusal> refused;  ///< unset: the host may join
    std::string shard;                         ///< set: the host has joined already as this shard
    std::string key;                           ///< crypto::fingerprint of the new shard's public key
  };
  /// `decoy`: a random secret, with which the proof of an unknown token is checked, so that it takes as long.
  [[nodiscard]] Judged judge(const wire::Sealed& sealed, const wire::JoinRequest& request,
                             std::string_view decoy, Time now) const;
  /// Records a request that `judge` has found good.
  void use(const wire::JoinRequest& request, const std::string& key, const std::string& shard);
  /// Takes it back: the shard could not be registered.
  void give_back(std::string_view id, std::string_view shard);

  [[nodiscard]] const std::vector<JoinToken>& tokens() const { return tokens_; }
  [[nodiscard]] const JoinToken* find(std::string_view id) const;

  /// A JSON array, for the store.
  [[nodiscard]] std::string text() const;
  /// Tokens that cannot be read are left out.
  [[nodiscard]] static TokenBook parse(std::string_view text);

 private:
  [[nodiscard]] JoinToken* own(std::string_view id);
  std::vector<JoinToken> tokens_;  ///< in the order of their creation
};

}  // namespace smaster::server
