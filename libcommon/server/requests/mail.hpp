// Sends mail to the operators through a configured program: new configs, failures, alerts.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <string>

#include "base/types.hpp"
#include "net/program.hpp"
#include "net/task_scope.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// Folder in state_dir for configs without a file of their own, until their mail is sent.
inline constexpr const char* kMailFolder = "mail";

class Mail {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    net::TaskScope& tasks;
  };
  explicit Mail(const Parts& parts) : parts_(parts) {}

  /// Sends a new shard's config file. `temporary`: removes the file afterwards.
  void config_created(const ShardName& name, const std::string& public_pem,
                      const std::filesystem::path& config, bool temporary);
  /// Reports that no config could be made; once an hour per error.
  void config_failed(const std::string& errors);
  /// Number of mails that wait to be sent.
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Why the last mail was not sent; empty: it was, or there was none.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  /// Sends an alert. `details`: lines that follow the text.
  void alert(const std::string& text, const std::string& details = {});

 private:
  struct Message {
    std::string what;  ///< for the log
    net::Program program;
    std::filesystem::path remove;  ///< file to be removed afterwards; empty: none
    int tries = 0;                 ///< attempts to start the program
  };

  void send_once_an_hour(const std::string& what, const std::string& text, net::Program program);
  [[nodiscard]] net::Program program(const std::vector<std::string>& args, std::string text) const;
  void send(Message message);
  void start();
  net::Task<> run();

  const Parts parts_;
  std::deque<Message> waiting_;
  net::Busy running_;
  std::string trouble_;
  std::map<std::string, Instant> said_;  ///< when a failure was last sent
};

/// `text` with each {word} of `values` or `said` replaced by its value; other words stay. `values` are
/// written by this server. `said` may contain text of shards and programs, and is sanitized for its place: as
/// a mail header up to the first empty line of `text`, as a body after that.
[[nodiscard]] std::string fill(const std::string& text, const std::map<std::string, std::string>& values,
                               const std::map<std::string, std::string>& said = {});

}  // namespace smaster::server
