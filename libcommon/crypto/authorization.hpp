// The `authorization` header of a shard's handshake: parsing, and the memory of used headers. Source:
// WIRE.md, "The shard protocol". No clock and no key here.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::crypto {

/// Maximum length: base64 of an RSA-16384 signature, the longest key that is accepted, plus padding.
inline constexpr std::size_t kMaxSignature = 2800;

/// `<shard name>,<base64 signature>,<unix time in ms>`, parsed.
struct Authorization {
  ShardName name;
  std::string signature;  ///< base64
  Time time;
  std::string signed_text;  ///< `<shard name><unix time>`, as spelled in the header
};

/// Errors: bad_data if a part is missing, the name is no shard name, the signature is not base64 or too long,
/// or the time is not an integer.
[[nodiscard]] Result<Authorization> parse_authorization(std::string_view header);

/// Prevents replay: remembers accepted headers until their time is too old to be accepted. Keyed by the
/// signed text, because base64 allows several spellings of one signature.
class UsedHeaders {
 public:
  [[nodiscard]] bool contains(const std::string& signed_text) const { return used_.contains(signed_text); }
  /// Returns false if it was used before. `until`: when its time becomes too old to be accepted.
  [[nodiscard]] bool insert(std::string signed_text, Time until, Time now);

 private:
  std::unordered_set<std::string> used_;
  std::deque<std::pair<Time, std::string>> order_;
};

}  // namespace smaster::crypto
