// Looks at the fleet every few seconds, and tells operators what is wrong: by mail, a program, webhooks.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "net/task_scope.hpp"
#include "server/alerts/alert_sender.hpp"
#include "server/alerts/conditions.hpp"
#include "server/events/events.hpp"
#include "server/fairness/fair_semaphore.hpp"

namespace smaster::server {

/// {host, shard, until, by, why}: of the store and of the control API.
[[nodiscard]] boost::json::object to_json(const Silence& silence);

class Alerts {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    StoreThread& store;
    Events& events;
    AlertBook& book;
    Conditions& conditions;
    AlertSender& sender;
    net::TaskScope& tasks;
  };
  /// Interval of the looks. An event that operators must know of is told after kTogether, with others of that
  /// time; after kNextTogether if others were told that short a while ago, so that a storm is a few messages.
  static constexpr Millis kLook{5'000};
  static constexpr Millis kTogether{1'000};
  static constexpr Millis kNextTogether{20'000};

  explicit Alerts(const Parts& parts);

  /// Looks from now on. Silences and alerts of an earlier run are read from the store; call once.
  void start();
  void stop();
  /// Silences alerts; persisted when it returns ok.
  net::Task<Result<void>> silence(Silence silence);
  /// Ends a silence. not_found if there is none that is exactly about this.
  net::Task<Result<void>> unsilence(std::string host, std::optional<ShardId> id);
  [[nodiscard]] const AlertBook& book() const { return parts_.book; }
  [[nodiscard]] const Conditions& conditions() const { return parts_.conditions; }
  /// The last failure of a webhook or program; empty: none.
  [[nodiscard]] const std::string& trouble() const { return parts_.sender.trouble(); }

  /// Set by the wiring: mails an alert; and adds conditions that only the server knows.
  std::function<void(const std::string& text, const std::string& details)> mail;
  std::function<void(std::vector<AlertCondition>&)> more;

 private:
  net::Task<> run();
  net::Task<> look();
  void heard(const fleet::Event& event);
  void tell(std::vector<Notice> notices);
  using Edit = std::function<Result<void>(std::vector<Silence>&)>;
  net::Task<Result<void>> change(Edit edit);
  net::Task<Result<void>> load();
  net::Task<> save_told();
  [[nodiscard]] std::string server_name() const;

  const Parts parts_;
  Events::Subscription subscription_;
  net::Timer together_;
  std::vector<Notice> collected_;     ///< of events
  std::map<std::string, Time> said_;  ///< events, by kind and shard: one an hour of each
  Instant told_events_{};
  Instant pinged_{};
  FairSemaphore turns_;                ///< of changes to the silences
  bool loaded_ = false;                ///< the silences and alerts of earlier runs
  std::vector<ToldAlert> told_saved_;  ///< those in the store
  bool stopped_ = false;
};

}  // namespace smaster::server
