#include "server/keys/master_proof.hpp"

#include <utility>

#include "net/clock.hpp"

namespace smaster::server {
namespace {

constexpr std::chrono::seconds kShared{1};

}  // namespace

std::shared_ptr<const MasterProof::Then> MasterProof::get(Then then) {
  if (!proof_.text.empty() && net::now() < made_ + kShared) {
    then(proof_);
    return nullptr;
  }
  auto waits = std::make_shared<const Then>(std::move(then));
  waiting_.push_back(waits);
  if (!signing_) tasks_.spawn("sign", sign());
  return waits;
}

net::Task<> MasterProof::sign() {
  auto busy = std::optional(signing_.begin());
  while (true) {
    const auto now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    const auto begun = net::now();
    auto text = "Look at me, I'm the captain now. " + std::to_string(to_unix_ms(now));
    const auto signer = signer_;
    auto signature = co_await net::run_in(pool_, [&] { return signer->sign(text); });
    if (signer != signer_) continue;  // the key was replaced: sign again
    proof_ = {std::move(signature), std::move(text)};
    made_ = begun;  // set only now, so that the old proof does not count as fresh
    break;
  }
  busy.reset();
  for (const auto& waits : std::exchange(waiting_, {})) {
    if (const auto then = waits.lock()) (*then)(proof_);
  }
}

}  // namespace smaster::server
