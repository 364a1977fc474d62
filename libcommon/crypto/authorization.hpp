// The `authorization` header of a shard's handshake request, as text and as parts, and the memory of the
// headers already used. Source: WIRE.md, "The shard protocol". No clock and no key here.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::crypto {

/// Base64 of an RSA-16384 signature, the longest key we take, with room for padding.
inline constexpr std::size_t kMaxSignature = 2800;

/// `<shard name>,<base64 signature>,<unix time in ms>`, taken apart.
struct Authorization {
  ShardName name;
  std::string signature;  ///< base64
  Time time;
  std::string signed_text;  ///< `<shard name><unix time>`, exactly as the header spelled it
};

/// bad_data when a part is missing, the name is no shard name, the signature is not base64 of a sensible
/// length, or the time is not a whole number of milliseconds.
[[nodiscard]] Result<Authorization> parse_authorization(std::string_view header);

/// Remembers what was signed in accepted headers for as long as their time would still be accepted, so that a
/// header works once. It keys on the signed text, because one signature can be spelled in base64 in many
/// ways.
class UsedHeaders {
 public:
  [[nodiscard]] bool contains(const std::string& signed_text) const { return used_.contains(signed_text); }
  /// False when it was used before. `until`: when its time is too old to be accepted anyway.
  [[nodiscard]] bool insert(std::string signed_text, Time until, Time now);

 private:
  std::unordered_set<std::string> used_;
  std::deque<std::pair<Time, std::string>> order_;
};

}  // namespace smaster::crypto
