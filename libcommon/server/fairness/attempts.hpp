// Rate limit for opening sessions. Pure: time is passed in.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// Counts attempts per key in a sliding window. Failed attempts count against the address; successful ones
/// count only against that shard at that address. So all shards of a large host may reconnect at once, while
/// guessing, or one shard in a reconnect loop, is limited.
class Attempts {
 public:
  [[nodiscard]] bool exhausted(const std::string& key, std::size_t limit, Millis window, Instant now);
  void count(const std::string& key, Instant now);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  void forget_some(Millis window, Instant now);

  // Not a deque, which takes 512 bytes even if nearly empty.
  std::unordered_map<std::string, std::vector<Instant>> by_key_;
  std::deque<const std::string*> in_turn_;  ///< the keys, in the order in which forget_some looks at them
};

}  // namespace smaster::fleet
