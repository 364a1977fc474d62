// The event `masterKey`, ours and for agents only: the master's next public key (PEM), and a signature over
// it with the key that the agent trusts now. It answers null, or an error.
#pragma once

#include <string>
#include <string_view>

namespace smaster::wire {

/// What is signed. Its words keep the signature from meaning anything elsewhere.
[[nodiscard]] inline std::string next_key_text(std::string_view pem) {
  return "The master's next key is " + std::string(pem);
}

}  // namespace smaster::wire
