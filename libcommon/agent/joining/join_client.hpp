// The host's side of joining: makes a key pair, asks the servers of a line, and verifies the answer. Blocks.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "base/types.hpp"
#include "wire/join/join_line.hpp"
#include "wire/join/join_messages.hpp"

namespace smaster::agent {

struct JoinOptions {
  std::string ca_file;  ///< more certificate authorities for https
  Millis timeout{30'000};
  std::function<void(const std::string&)> say;  ///< told why it asks again
};

struct Joined {
  wire::JoinAnswer answer;
  std::string config;  ///< complete, with the private key: to be written to a file of mode 0600
  Millis ahead{};      ///< how far this machine's clock is ahead of the server's
};

/// Asks again, for `timeout`, while no server leads or answers. Errors: not_permitted if the server refuses
/// the token or does not prove itself, unavailable or timed_out if none answers, bad_config for TLS.
[[nodiscard]] Result<Joined> join_fleet(const wire::JoinLine& line, const JoinOptions& options);

}  // namespace smaster::agent
