// Sends alerts to where [alerts] says: a program, webhooks, and a URL that is asked as long as all is well.
// The mail has its own place (requests/mail).
#pragma once

#include <string>
#include <vector>

#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/events/alert_book.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// One message: what began, lasts or is over at about the same time.
struct AlertMessage {
  std::string server;  ///< the name of this server, and of its cluster
  std::vector<Notice> notices;

  /// A line a notice: for mails and Discord. At most kMostLines, then how many more.
  [[nodiscard]] std::string text() const;
  /// {server, time, notices: [{kind, key, text, lasted_ms}]}
  [[nodiscard]] std::string json(Time now) const;
  static constexpr std::size_t kMostLines = 20;
};

class AlertSender {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    net::asio::thread_pool& rendering;
    net::TaskScope& tasks;
  };
  /// Messages that wait; new ones are dropped beyond that.
  static constexpr std::size_t kMostWaiting = 100;

  explicit AlertSender(const Parts& parts) : parts_(parts) {}

  /// Sends it to the program and the webhooks, each again and again until it takes it, for an hour at most.
  void send(const AlertMessage& message);
  /// Asks [alerts] alive_url once; a failure is logged.
  net::Task<> ping();
  void stop() { stopped_ = true; }
  /// Forgets the trouble if its receiver is not in the settings any more.
  void settings_changed();
  /// The last failure of a webhook or program; empty: the last message went through.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Delivery {
    std::string url;  ///< empty: the program
    std::string text;
    std::string json;
    Time made{};
  };

  net::Task<> deliver(Delivery delivery);
  [[nodiscard]] bool is_receiver(const std::string& url) const;
  net::Task<Result<void>> attempt(const Delivery& delivery, Millis& pause);
  net::Task<Result<void>> post(std::string url, std::string body, Millis& pause);
  net::Task<Result<void>> run_program(std::string input);

  const Parts parts_;
  std::size_t waiting_ = 0;
  std::string trouble_;
  std::string trouble_at_;  ///< the receiver that it is of; empty: the program
  bool stopped_ = false;
};

}  // namespace smaster::server
