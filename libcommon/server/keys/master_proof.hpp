// The server's proof of its identity, `masterVerification`. Signed at most once a second and shared by all
// shards that connect meanwhile: one RSA-4096 signature costs 5 ms, and ten thousand shards may connect at
// once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "crypto/keys.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"

namespace smaster::server {

/// The arguments of the event.
struct Proof {
  std::string signature;  ///< base64
  std::string text;       ///< "Look at me, I'm the captain now. <unix ms>"
};

class MasterProof {
 public:
  using Then = std::function<void(const Proof&)>;

  MasterProof(net::asio::io_context& context, net::asio::thread_pool& pool, crypto::Signer signer)
      : pool_(pool),
        signer_(std::make_shared<const crypto::Signer>(std::move(signer))),
        tasks_(context.get_executor(), "the master's proof") {}

  /// Replaces the key pair. Waiting callbacks get a proof of the new one.
  void set(crypto::Signer signer) {
    signer_ = std::make_shared<const crypto::Signer>(std::move(signer));
    proof_ = {};
  }

  /// Calls back with a proof signed within the last second: from within this call if there is one, else
  /// later, unless the returned object is destroyed before.
  [[nodiscard]] std::shared_ptr<const Then> get(Then then);
  /// The current key. A signature in a pool must hold this pointer, since the key may be replaced meanwhile.
  [[nodiscard]] std::shared_ptr<const crypto::Signer> signer() const { return signer_; }
  [[nodiscard]] const std::string& public_pem() const { return signer_->public_pem(); }

 private:
  net::Task<> sign();

  net::asio::thread_pool& pool_;
  std::shared_ptr<const crypto::Signer> signer_;  ///< shared with signatures in progress
  Proof proof_;
  Instant made_{};
  std::vector<std::weak_ptr<const Then>> waiting_;
  net::Busy signing_;
  net::TaskScope tasks_;
};

}  // namespace smaster::server
