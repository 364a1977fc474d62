// Leader election among the servers that share a store: the leader holds a lease, which ends unless it is
// renewed. Implementations may block. They are called from one thread at a time, which is not the store's.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::store {

/// A server that takes part in the election.
struct Member {
  std::string name;
  std::string url;      ///< address for shards and other servers, "http://host:port"
  std::string version;  ///< version of its program
  Time started{};
  Time leads_since{};  ///< by its own clock; kNever: not the leader

  bool operator==(const Member&) const = default;
};

[[nodiscard]] std::string to_text(const Member& member);
[[nodiscard]] Result<Member> parse_member(std::string_view text);

/// The result of an election, as seen by one server.
struct Standing {
  bool leads = false;  ///< this server is the leader
  Member leader;       ///< no name: there is no leader
};

class Election {
 public:
  virtual ~Election() = default;

  /// Registers this server as a member, and makes it the leader if there is none. Its lease is counted from
  /// before the call. To be called repeatedly: keeps the membership, and returns the current leader.
  [[nodiscard]] virtual Result<Standing> campaign(const Member& self) = 0;
  /// Renews the leader's lease, counted from before the call. Errors: not_permitted if the lease has ended.
  [[nodiscard]] virtual Result<void> renew() = 0;
  /// Gives up leadership and membership. Ignores errors: the lease then ends by itself.
  virtual void resign() = 0;
  [[nodiscard]] virtual Result<std::vector<Member>> members() = 0;
  /// Returns when the leader may have changed, at the latest after `most`. May run at the same time as the
  /// other calls.
  virtual void wait(Millis most) = 0;
  /// Makes `wait` return at once, now and in future. Thread-safe.
  virtual void stop() = 0;
  /// Duration of a lease without renewal.
  [[nodiscard]] virtual Millis lease() const = 0;
};

}  // namespace smaster::store
