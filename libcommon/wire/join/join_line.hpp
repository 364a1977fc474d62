// The line that `smaster join-token` prints and `smaster join` takes: where the servers are, the fingerprint
// of their key, and the token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smaster::wire {

/// `smaster-1,URL[,URL …],FINGERPRINT,ID,SECRET`. None of its characters means something to a shell.
struct JoinLine {
  std::vector<std::string> servers;  ///< "https://host:port" each; one of them leads
  std::string fingerprint;           ///< crypto::fingerprint of the servers' public key
  std::string token;                 ///< the token's id, which is not secret
  std::string secret;                ///< never sent: it is the key of the request's proof
};

/// Maximum number of servers in a line.
inline constexpr std::size_t kMostJoinServers = 16;

[[nodiscard]] std::string to_text(const JoinLine& line);
/// Errors: bad_data, with what is wrong and what to do.
[[nodiscard]] Result<JoinLine> parse_join_line(std::string_view text);

}  // namespace smaster::wire
