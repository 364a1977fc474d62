// The exchange by which a new host joins, see "SECURITY" in smaster-join(1): the host proves that it has the
// token without sending it, the server proves itself by a signature. Who reads or changes what passes between
// them learns no secret, and cannot make either accept anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::wire {

/// Where a host sends its request, by POST.
inline constexpr const char* kJoinPath = "/api/public/join";
/// Maximum size of a public key in PEM, in bytes: one of 4,096 bits has 800.
inline constexpr std::size_t kMostPublicKey = 1'000;
inline constexpr std::size_t kMostNonce = 64;
/// Of a host: what an agent can run.
inline constexpr std::int64_t kMostProcesses = 256;
inline constexpr std::int64_t kMostShardsPerProcess = 1'024;

/// A message with its proof: the text is exactly what was proved.
struct Sealed {
  std::string text;
  std::string proof;
  std::string key;  ///< of an answer: the server's public key (PEM), which its proof is a signature by
};
[[nodiscard]] std::string to_text(const Sealed& sealed);
/// Errors: bad_data.
[[nodiscard]] Result<Sealed> parse_sealed(std::string_view text);

struct JoinRequest {
  std::string token;        ///< its id
  std::string nonce;        ///< random: an answer is good for this request alone
  std::string fingerprint;  ///< of the key that the server must have
  std::string public_key;   ///< of the new shard, PEM
};
[[nodiscard]] std::string to_text(const JoinRequest& request);
/// Errors: bad_data.
[[nodiscard]] Result<JoinRequest> parse_join_request(std::string_view text);

struct JoinAnswer {
  ShardName name;
  std::string config;  ///< the shard's config as JSON, without its private key
  std::string host;    ///< what the agent is to call this host; empty: unset
  int processes = 1;
  int shards_per_process = 1;
  Time time{};  ///< the server's clock
};
[[nodiscard]] std::string to_text(const JoinAnswer& answer);
/// Errors: bad_data.
[[nodiscard]] Result<JoinAnswer> parse_join_answer(std::string_view text);

/// What the proofs are of. A request's is an HMAC with the token's secret as key, an answer's a signature by
/// the server's key. Their prefixes keep them from being valid elsewhere.
[[nodiscard]] std::string request_to_prove(std::string_view text);
[[nodiscard]] std::string answer_to_prove(std::string_view nonce, std::string_view text);

/// Why a server refuses a request, as `code` in its answer, which is not signed.
enum class JoinRefusal : std::uint8_t {
  malformed,  ///< not a request, or a key that is none
  unknown,    ///< no such token, or a wrong proof: both look the same
  expired,
  used_up,
  other_key,  ///< this server has another key than the line says
  too_many,   ///< too many wrong requests from this address
  follows,    ///< another server leads
  busy,       ///< try again
  failed,     ///< the store could not be written
};
[[nodiscard]] std::string_view to_word(JoinRefusal refusal);
[[nodiscard]] std::string refusal_text(JoinRefusal refusal, std::string_view leader);
struct Refused {
  JoinRefusal why{};
  std::string leader;  ///< of `follows`: its URL, if known
};
/// Errors: bad_data: it is not the answer of a server that knows of joining.
[[nodiscard]] Result<Refused> parse_refusal(std::string_view text);

}  // namespace smaster::wire
