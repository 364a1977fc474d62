// Mail to the operators, through a program of theirs: new configs, what could not be done, what needs them.
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

/// In the state folder: configs that have no other file, for as long as their mail takes.
inline constexpr const char* kMailFolder = "mail";

class Mail {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    net::TaskScope& tasks;
  };
  explicit Mail(const Parts& parts) : parts_(parts) {}

  /// Sends a new shard's config file. `temporary`: it is removed afterwards.
  void config_created(const ShardName& name, const std::string& public_pem,
                      const std::filesystem::path& config, bool temporary);
  /// No config could be made.
  void config_failed(const std::string& errors);
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Something else that somebody should look at.
  void alert(const std::string& text);

 private:
  struct Message {
    std::string what;  ///< for the log
    net::Program program;
    std::filesystem::path remove;  ///< afterwards; empty: nothing
    int tries = 0;                 ///< to start the program, so far
  };

  void send_once_an_hour(const std::string& what, const std::string& text, net::Program program);
  [[nodiscard]] net::Program program(const std::vector<std::string>& args, std::string text) const;
  void send(Message message);
  void start();
  net::Task<> run();

  const Parts parts_;
  std::deque<Message> waiting_;
  net::Busy running_;
  std::map<std::string, Instant> said_;  ///< when a failure or an alert was last sent
};

/// `text` with each {word} that `values` or `said` knows replaced by its value; others stay. `values`: what
/// this server wrote itself. `said`: what shards and programs may have had a part in, made harmless for the
/// place it stands in. Whether the text has a header is not known; up to its first empty line it may have.
[[nodiscard]] std::string fill(const std::string& text, const std::map<std::string, std::string>& values,
                               const std::map<std::string, std::string>& said = {});

}  // namespace smaster::server
