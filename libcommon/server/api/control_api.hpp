// The control API's requests, one table: what `/v1/…` answers. Documented in man 7 smaster-control.
#pragma once

#include <functional>

#include "control/stream.hpp"
#include "net/asio.hpp"

namespace smaster::net {
class EngineServer;
}

namespace smaster::server {

class Candidacy;
class Core;
class PeerLink;
class Registrar;

/// What requests work on.
struct ControlContext {
  Core& core;
  Registrar& registrar;
  net::EngineServer& engine;
  std::function<void()> stop;
  // Among several servers:
  Candidacy* candidacy = nullptr;  ///< none: this one stands alone
  PeerLink* peers = nullptr;
  std::function<void()> step_down = {};
  bool leads = true;
};

net::Task<control::Answer> handle_control(ControlContext context, control::Call call);

}  // namespace smaster::server
