// The server: its parts, its listeners, and its life cycle: it leads, stands by, restarts and stops.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/server.hpp"
#include "net/engineio/http_listener.hpp"
#include "server/admission/admission.hpp"
#include "server/api/control_api.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/peer_link.hpp"
#include "server/dashboard/dashboard.hpp"
#include "server/planning/discord_watch.hpp"
#include "server/process/file_watch.hpp"
#include "server/process/serve.hpp"
#include "server/process/stores.hpp"
#include "server/process/wiring.hpp"

namespace smaster::server {

class Server final : public net::Application {
 public:
  Server(ServeOptions options, Stores stores, crypto::Signer signer);

  /// Runs the server until it ends. `sockets`: those inherited. `hold_back`: lets another server take the
  /// lead first.
  Result<Ended> run(ListeningSockets sockets, bool hold_back);

  // net::Application
  net::Task<net::Admission> admit(net::HandshakeRequest request) override;
  net::Task<net::Answer> answer(const net::Request& request, const net::Address& peer) override;
  [[nodiscard]] bool is_upgrade(const net::Request& request) const override;
  net::Task<net::Takeover> upgrade(const net::Request& request, const net::Address& peer) override;

 private:
  // server.cpp
  void run_context();
  Result<void> listen(ListeningSockets sockets);
  [[nodiscard]] Candidacy* candidacy() { return candidacy_ ? &*candidacy_ : nullptr; }
  ControlContext control_context();
  [[nodiscard]] std::vector<std::string> troubles() const;
  void add_troubles(std::vector<AlertCondition>& conditions) const;
  net::Task<> generate();
  void stop(std::string_view why);
  net::Task<> finish();

  // server_leads.cpp
  [[nodiscard]] store::Member self() const;
  Result<void> lead();
  net::Task<> take_lead();
  net::Task<> check_keys();
  net::Task<Result<void>> same_keys();
  void fail_with(const Error& error);
  void deposed(const std::string& why);
  void step_down();
  net::Task<Result<std::unique_ptr<net::Stream>>> elsewhere(const std::string& path);

  // server_reloads.cpp
  void wait_for_signals();
  void wait_for_hangup();
  Result<void> set_tls(const Settings& settings);
  void reload_certificate();
  void reload_all();
  void reload();
  void reload_keys_soon();
  net::Task<Result<void>> reload_keys();
  void name_kept_files();
  void watch_files();
  void file_changed(const std::filesystem::path& file);

  net::asio::io_context context_{1};
  std::function<Result<Settings>()> reload_;
  std::filesystem::path config_;
  Stores stores_;
  Wiring wiring_;
  Admission admission_;
  DiscordWatch discord_;
  net::EngineServer engine_;
  net::HttpListener listener_;
  const ControlParts control_parts_;
  const HttpParts http_parts_;
  control::ControlServer control_;
  Dashboard dashboard_;
  PeerLink peers_;
  std::optional<Candidacy> candidacy_;  ///< with a shared store only
  net::asio::signal_set signals_;
  net::asio::signal_set hangup_;
  FileWatch watch_;
  net::Timer grace_;
  net::TaskScope tasks_;
  std::optional<Time> certificate_ends_;  ///< of the certificate that shards see; unset: no TLS
  std::string generate_trouble_;          ///< error of the last generated config; empty: none
  bool stopping_ = false;
  bool restart_ = false;
  bool leads_ = false;           ///< with a shared store: has the lease, and all data is loaded
  bool again_ = false;           ///< start again in this process, to stand by
  bool hand_over_lead_ = false;  ///< by a step-down
  std::optional<Error> failure_;
  std::optional<ListeningSockets> handed_over_;
};

}  // namespace smaster::server
