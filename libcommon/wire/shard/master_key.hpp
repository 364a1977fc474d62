// The event `masterKey`, an extension for agents: the master's next public key (PEM), and a signature of it
// by the key that the agent trusts now. The agent answers null or an error.
#pragma once

#include <string>
#include <string_view>

namespace smaster::wire {

/// The signed text. Its prefix prevents the signature from being valid in another context.
[[nodiscard]] inline std::string next_key_text(std::string_view pem) {
  return "The master's next key is " + std::string(pem);
}

}  // namespace smaster::wire
