// How servers that share a store agree who leads: one of them holds a lease, which ends unless it is renewed.
// Implementations may block; they are called from one thread at a time, another than the store's.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::store {

/// A server that shares the store.
struct Member {
  std::string name;
  std::string url;      ///< where shards and the other servers reach it, "http://host:port"
  std::string version;  ///< of its program
  Time started{};
  Time leads_since{};  ///< by its own clock; kNever: it does not lead

  bool operator==(const Member&) const = default;
};

[[nodiscard]] std::string to_text(const Member& member);
[[nodiscard]] Result<Member> parse_member(std::string_view text);

/// Who leads, as a server that asked has found it.
struct Standing {
  bool leads = false;  ///< the server that asked does
  Member leader;       ///< nameless: nobody does
};

class Election {
 public:
  virtual ~Election() = default;

  /// Makes this server known as a member, and takes the lead where nobody has it. Its lease runs from before
  /// the call on. Called again and again: it says who leads meanwhile, and keeps the membership.
  [[nodiscard]] virtual Result<Standing> campaign(const Member& self) = 0;
  /// The leader's lease runs on from before the call; not_permitted: it has ended.
  [[nodiscard]] virtual Result<void> renew() = 0;
  /// Gives the lead away, and leaves; nothing is lost when that fails: the lease ends by itself.
  virtual void resign() = 0;
  [[nodiscard]] virtual Result<std::vector<Member>> members() = 0;
  /// Returns when the leader may have changed, at the latest after so long. May be called beside the others.
  virtual void wait(Millis most) = 0;
  /// Ends `wait` for good; from any thread.
  virtual void stop() = 0;
  /// How long a lease lasts without being renewed.
  [[nodiscard]] virtual Millis lease() const = 0;
};

}  // namespace smaster::store
