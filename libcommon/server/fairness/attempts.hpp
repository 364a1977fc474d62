// Limits how often one address may try to open a session. Pure: time comes in.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// Counts attempts by key within a sliding window. Attempts that fail count against their address; ones that
/// prove themselves count only against that shard at that address. So a host's hundred shards may all come
/// back at once, while guessing, and one shard in a reconnect loop, are held up.
class Attempts {
 public:
  [[nodiscard]] bool exhausted(const std::string& key, std::size_t limit, Millis window, Instant now);
  void count(const std::string& key, Instant now);
  /// Drops what has left the window; call now and then.
  void prune(Millis window, Instant now);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  std::unordered_map<std::string, std::vector<Instant>> by_key_;  // a deque takes half a kilobyte each
};

}  // namespace smaster::fleet
