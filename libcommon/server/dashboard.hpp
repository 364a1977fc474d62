// The page with the fleet on it: `[dashboard]`. Serves the page, its data, and what it is allowed to command.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_set>

#include "control/connection.hpp"
#include "net/address.hpp"
#include "server/control_api.hpp"
#include "server/fleet_view.hpp"

namespace smaster::server {

class Dashboard {
 public:
  /// `commands`: what evals and respawns are given to.
  Dashboard(Core& core, control::Handler commands);
  ~Dashboard();
  Dashboard(const Dashboard&) = delete;
  Dashboard& operator=(const Dashboard&) = delete;

  /// Listens where the settings say, if they do; unavailable when it cannot. Call once.
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] net::tcp::endpoint endpoint() const;
  void stop();

 private:
  using Connection = control::Connection<net::Socket>;
  struct Failures {
    Instant since{};
    unsigned count = 0;
  };

  net::Task<> accept_loop();
  net::Task<control::Answer> serve(control::Call call, net::Address peer);
  net::Task<control::Answer> data(control::Call call);
  net::Task<control::Answer> log_in(const control::Call& call, const net::Address& peer);
  net::Task<bool> right_password(std::string password, std::string key);
  net::Task<bool> may_see(const control::Call& call, const net::Address& peer);
  /// What attempts are counted by.
  [[nodiscard]] std::string attempt_key(const control::Call& call, const net::Address& peer) const;
  net::Task<> follow(std::shared_ptr<control::LineStream> lines);
  net::Task<control::Answer> command(control::Call call);
  control::Answer series(const control::Call& call);
  control::Answer pieces(net::Pieces pieces) const;
  [[nodiscard]] bool too_many_failures(const std::string& key);

  Core& core_;
  control::Handler commands_;
  FleetView view_;
  net::Acceptor acceptor_;
  net::Timer pause_;
  std::map<std::string, Instant> sessions_;  ///< until when each token is good
  std::map<std::string, Failures> failures_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
};

}  // namespace smaster::server
