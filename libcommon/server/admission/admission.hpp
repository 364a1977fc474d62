// Decides on a shard's handshake before any session exists. Source: WIRE.md and SPEC, "Handshake".
#pragma once

#include "net/address.hpp"
#include "net/application.hpp"
#include "server/fairness/attempts.hpp"
#include "server/fairness/fair_semaphore.hpp"

namespace smaster::server {

class Core;

class Admission {
 public:
  explicit Admission(Core& core);
  net::Task<net::Admission> decide(net::HandshakeRequest request);
  void settings_changed();

 private:
  net::Refusal refuse(const std::string& address, std::string_view outcome, std::string_view why);

  [[nodiscard]] std::string key_for(const ShardName& name) const;

  Core& core_;
  net::Proxies proxies_;
  fleet::Attempts attempts_;
  std::size_t prune_at_ = 1024;
  FairSemaphore turns_;
};

}  // namespace smaster::server
