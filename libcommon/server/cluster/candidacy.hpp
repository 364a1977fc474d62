// Takes part in the election of the leader: campaigns until this server leads, then renews its lease until it
// is lost. While another server leads, the store's data is read ahead. Runs on the event loop's thread;
// blocking calls run on a thread of its own.
#pragma once

#include <functional>
#include <string>

#include "net/asio.hpp"
#include "net/event.hpp"
#include "net/task_scope.hpp"
#include "server/cluster/leadership.hpp"
#include "store/election.hpp"

namespace smaster::server {

class Candidacy {
 public:
  struct Parts {
    net::asio::io_context& context;
    Leadership& leadership;
    /// Reads the store's data in advance, so that this server can take the lead quickly.
    std::function<net::Task<Result<void>>()> read_ahead;
  };
  Candidacy(const Parts& parts, store::Election& election);
  ~Candidacy() { join(); }

  /// Campaigns or leads until `stop`. `hold_back`: waits for a moment first, so that another server can take
  /// the lead.
  net::Task<> run(store::Member self, bool hold_back);
  /// Stops and waits for `run` to end. A lease that was not lost is released, so that another server can lead
  /// at once.
  net::Task<> stop();
  /// Waits for the thread. Call after `stop`, or when the loop has ended.
  void join();

  [[nodiscard]] const store::Member& self() const { return self_; }
  /// The last known leader; without a name: none.
  [[nodiscard]] const store::Member& leader() const { return leader_; }
  [[nodiscard]] bool leads() const { return leads_; }
  /// The age of the data read ahead: 0 while this server leads, Millis::max() before the first read.
  [[nodiscard]] Millis lag() const;
  /// The election's current error; empty: it works.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  net::Task<Result<std::vector<store::Member>>> members();

  /// Set by the server: called when this server has won the lead, and when it has lost it, with the reason.
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
  bool lost_ = false;  ///< the lease was lost: nothing is left to release
  bool stopping_ = false;
  net::Busy running_;
  net::Event ended_;
};

}  // namespace smaster::server
