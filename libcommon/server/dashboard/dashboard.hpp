// The dashboard (`[dashboard]`): serves the page, its data, and the commands that the settings allow.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "control/connection.hpp"
#include "net/address.hpp"
#include "net/descriptors.hpp"
#include "net/task_scope.hpp"
#include "server/api/control_api.hpp"
#include "server/dashboard/fleet_view.hpp"
#include "server/fairness/places.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Dashboard {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    net::Descriptors& descriptors;
    net::asio::thread_pool& slow_work;
    Places& page_answers;
    const StatsParts& stats;
    StatusHistory& history;
    const EventParts& event_list;
  };
  /// `commands` is the control API, which handles some requests of the page.
  Dashboard(const Parts& parts, control::Handler commands);
  ~Dashboard();
  Dashboard(const Dashboard&) = delete;
  Dashboard& operator=(const Dashboard&) = delete;

  /// Listens at the configured address, if there is one. Errors: unavailable. Call once.
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] net::tcp::endpoint endpoint() const;
  void stop();
  /// Ends all sessions if the password file or the allowed commands have changed.
  void settings_changed();

 private:
  using Connection = control::Connection<net::Socket>;
  struct Failures {
    Instant since{};
    unsigned count = 0;
  };
  /// A grant of access, valid until its session ends, or the password or the settings change.
  struct Grant {
    std::string session;  ///< its token; empty: access by the password itself, or no password is set
    std::uint64_t epoch = 0;
  };
  /// Identifies a version of a file.
  struct Stamp {
    std::string path;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::pair<std::int64_t, std::int64_t> changed{};
    bool operator==(const Stamp&) const = default;
  };
  enum class Judgement { right, wrong, too_many };
  static constexpr std::chrono::milliseconds kRefresh{1'000};

  [[nodiscard]] static control::Reply refused(unsigned status, std::string_view sentence);
  [[nodiscard]] static control::Reply too_much();
  [[nodiscard]] static control::Answer shard_answer(const std::string& body);

  void accept(net::Socket socket, net::Place place);
  /// Runs a connection, and keeps its handler alive.
  net::Task<> hold(std::shared_ptr<Connection> connection, std::shared_ptr<const control::Handler> handler);
  net::Task<control::Answer> serve(control::Call call, net::Address peer);
  net::Task<control::Answer> data(control::Call call, net::Address peer, Grant grant);
  net::Task<control::Answer> log_in(const control::Call& call, const net::Address& peer);
  net::Task<> read_password();
  Judgement judge(const std::string& password, const std::string& key);
  net::Task<std::optional<Grant>> may_see(const control::Call& call, const net::Address& peer,
                                          bool& too_many);
  [[nodiscard]] bool holds(const Grant& grant) const;
  void end_sessions();
  /// The key by which login attempts are limited.
  [[nodiscard]] std::string attempt_key(const control::Call& call, const net::Address& peer) const;
  net::Task<> follow(std::shared_ptr<control::LineStream> lines, Grant grant);
  net::Task<control::Answer> pass(control::Call call, net::Address peer, Grant grant);
  net::Task<> end_with(Grant grant, std::weak_ptr<control::LineStream> weak, std::shared_ptr<void> place);
  control::Answer series(const control::Call& call);
  control::Answer pieces(net::Pieces pieces) const;

  const Parts parts_;
  control::Handler commands_;
  FleetView view_;
  net::Crowd crowd_;
  net::Acceptor acceptor_;
  std::map<std::string, Instant> sessions_;  ///< expiry of each token
  std::uint64_t epoch_ = 0;                  ///< incremented when all sessions end
  std::string password_;                     ///< as last read from its file; empty: every login fails
  Stamp password_stamp_;
  std::filesystem::path password_file_;  ///< the settings when the sessions were opened
  std::vector<std::string> allow_;
  std::map<std::string, Failures> failures_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  net::TaskScope tasks_;
};

}  // namespace smaster::server
