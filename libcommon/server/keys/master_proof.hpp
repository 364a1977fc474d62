// The server's proof of who it is, `masterVerification`: signed at most once a second and shared by all
// shards that connect meanwhile, because one RSA-4096 signature costs 5 ms and a storm brings ten thousand
// shards.
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

/// What the event carries.
struct Proof {
  std::string signature;  ///< base64
  std::string text;       ///< "Look at me, I'm the captain now. <unix ms>"
};

class MasterProof {
 public:
  MasterProof(net::asio::io_context& context, net::asio::thread_pool& pool, crypto::Signer signer)
      : pool_(pool),
        signer_(std::make_shared<const crypto::Signer>(std::move(signer))),
        tasks_(context.get_executor(), "the master's proof") {}

  /// Another key pair from now on.
  void set(crypto::Signer signer) {
    signer_ = std::make_shared<const crypto::Signer>(std::move(signer));
    proof_ = {};
  }

  /// Calls back with a proof made within the last second, at once or when it is signed.
  void get(std::function<void(const Proof&)> then);
  /// The key as it is now. What signs in a pool takes it along: it may be replaced meanwhile.
  [[nodiscard]] std::shared_ptr<const crypto::Signer> signer() const { return signer_; }
  [[nodiscard]] const std::string& public_pem() const { return signer_->public_pem(); }

 private:
  net::Task<> sign();

  net::asio::thread_pool& pool_;
  std::shared_ptr<const crypto::Signer> signer_;  ///< shared with a signature that is being made
  Proof proof_;
  Instant made_{};
  std::vector<std::function<void(const Proof&)>> waiting_;
  net::Busy signing_;
  net::TaskScope tasks_;
};

}  // namespace smaster::server
