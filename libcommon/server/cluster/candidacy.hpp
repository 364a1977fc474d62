// This server among several: it runs for the lead until it has it, and renews its lease until it has lost it.
// While another leads, what the store has is read ahead. Runs on the one thread that owns the state; what
// blocks is in a thread of its own.
#pragma once

#include <functional>
#include <string>

#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/cluster/leadership.hpp"
#include "store/election.hpp"

namespace smaster::server {

class Candidacy {
 public:
  struct Parts {
    net::asio::io_context& context;
    Leadership& leadership;
    /// Reads what the store has, ahead of the day when this server leads.
    std::function<net::Task<Result<void>>()> read_ahead;
  };
  Candidacy(const Parts& parts, store::Election& election);
  ~Candidacy() { join(); }

  /// Until `stop`. `hold_back`: others go first, for a moment.
  net::Task<> run(store::Member self, bool hold_back);
  /// Ends it; a lease is given back, so that another leads at once.
  net::Task<> stop();
  /// After `stop`, or when nothing runs any more.
  void join();

  [[nodiscard]] const store::Member& self() const { return self_; }
  /// Who leads, as far as is known; nameless: nobody.
  [[nodiscard]] const store::Member& leader() const { return leader_; }
  [[nodiscard]] bool leads() const { return leads_; }
  /// How old what was read ahead is; of the leader nothing.
  [[nodiscard]] Millis lag() const;
  /// Why the election does not work, while it does not.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  net::Task<Result<std::vector<store::Member>>> members();

  /// Set by the server: the lead is ours from now on; and it is lost, with the reason.
  std::function<void()> elected;
  std::function<void(const std::string&)> deposed;

 private:
  net::Task<> campaign();
  net::Task<> keep();
  net::Task<> pause(Millis time);
  void note(const Result<void>& result);
  void arm_watchdog();
  void depose(const std::string& why);

  const Parts parts_;
  store::Election& election_;
  net::asio::thread_pool thread_{1};
  net::Timer pause_;
  net::Timer watchdog_;
  store::Member self_;
  store::Member leader_;
  std::string trouble_;
  Instant read_ahead_{};
  bool leads_ = false;
  bool lost_ = false;  ///< the lease: there is nothing to give back
  bool stopping_ = false;
  net::Busy running_;
  net::Timer ended_;
};

}  // namespace smaster::server
