// One shard of the master's on this host: runs the bot process as the master orders, passes requests between
// bot and master, and sends statuses. The master's orders are in agent.cpp, the bot's process and channel in
// agent_bot.cpp, statuses in agent_statuses.cpp, the bot's requests in agent_requests.cpp, files in
// agent_files.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/boots.hpp"
#include "agent/bot/bot_life.hpp"
#include "agent/bot/bot_process.hpp"
#include "agent/bot/channel.hpp"
#include "agent/bot/identify_server.hpp"
#include "agent/bot/lease.hpp"
#include "agent/bot/logins.hpp"
#include "agent/bot/statuses.hpp"
#include "agent/bot/storage_gauge.hpp"
#include "agent/config_lock.hpp"
#include "agent/output_feed.hpp"
#include "agent/requests.hpp"
#include "agent/uplink.hpp"
#include "files/folder.hpp"
#include "net/task_scope.hpp"
#include "wire/shard/file_event.hpp"

namespace smaster::agent {

/// Settings that all agents of a process share.
struct AgentOptions {
  std::vector<std::string> command;  ///< the bot's program and its arguments
  /// NAME=VALUE; added to by the agent: shard ids, count, names, hooks.
  std::vector<std::string> environment;
  bool prefix = false;  ///< mark each line of the bot's output with the shard
  /// How many lines of each bot's output are kept for the master; 0: the bot writes to our own output.
  std::size_t log_lines = OutputRing::kDefaultLines;
  std::optional<std::filesystem::path> log_dir;  ///< for files with the bots' output
  LogFile::Limits log_limits;
  Millis grace{30'000};  ///< time from SIGTERM to SIGKILL
  LifeOptions life;
  std::string ca_file;  ///< additional certificate authorities, PEM; empty: only the system's
  std::optional<std::filesystem::path> project_dir;
  int processes = 1;           ///< bot processes for each config
  int shards_per_process = 1;  ///< maximum number of shard ids per bot process
  std::string host;            ///< the name of this host as the master shows it
  bool hooks = true;  ///< preload the hooks into Node.js and Python, so that bots ask before each login
};

/// The JSON object that an agent sends with CONNECT: its options, and the identity of its config lock.
[[nodiscard]] std::string introduction(const AgentOptions& options, const Identity& identity,
                                       bool only_check = false);

/// Objects that all agents of a process share. All members are used on the context's thread.
struct Shared {
  net::asio::io_context& context;
  net::TaskScope& tasks;
  net::asio::thread_pool& pool;  ///< one thread, so that file operations keep their order
  const AgentOptions& options;
  std::shared_ptr<net::asio::ssl::context> tls;
  const files::Folder* project = nullptr;  ///< null: file requests fail
  const StorageGauge& storage;
  Boots& boots;
  IdentifyServer* identify = nullptr;  ///< none: bots cannot ask by HTTP
  ProcessTree processes{};
  std::vector<std::shared_ptr<LeaderLookup>> lookups{};

  /// The lookup shared by all agents that have these masters.
  std::shared_ptr<LeaderLookup> lookup(const std::vector<MasterAddress>& masters) {
    for (const auto& known : lookups) {
      if (known->masters() == masters) return known;
    }
    return lookups.emplace_back(std::make_shared<LeaderLookup>(context, masters, tls));
  }
};

class Agent final : public UplinkOwner,
                    public BotOwner,
                    public ChannelSink,
                    public LoginSink,
                    public IdentifyOwner,
                    public BootOwner {
 public:
  /// `process`: index of the bot process within its shard, from 0. `lock`: the descriptor of the config lock;
  /// the bot's keeper inherits it. `introduction`: sent with CONNECT.
  Agent(Shared& shared, std::shared_ptr<ShardConfig> config, int process, int lock, LeasePage page,
        std::string introduction);

  void start();
  /// Stops the bot, sends a last status and `leave`, disconnects, then calls `on_finished`. A second call
  /// kills the bot. May call `on_finished` before it returns.
  void stop();
  std::function<void()> on_finished;

  // UplinkOwner
  void uplink_up(Millis ahead) override;
  void uplink_down(const std::string& why, std::optional<Millis> ahead) override;
  void uplink_refused(const std::string& why) override;
  void uplink_heard() override;
  void uplink_event(std::string_view name, std::optional<socketio::AckId> ack_id,
                    socketio::Arguments arguments) override;

  // BotOwner
  void bot_line(std::string_view line) override;
  void bot_line_too_long(std::string_view head, std::string_view tail, std::size_t limit) override {
    channel_->receive_too_long(head, tail, limit);
  }
  [[nodiscard]] bool bot_may_speak() const override;
  void bot_hung_up() override;
  void bot_ended(const std::string& how) override;
  void bot_exited(const std::string& how) override;

  // ChannelSink
  [[nodiscard]] bool to_bot(std::string line) override;
  void bot_state(BotState state) override;
  void bot_request(Request request, std::string reply) override;

  // LoginSink
  void login_line(std::string line) override { (void)to_bot(std::move(line)); }
  void ask_master(ShardId id, std::uint64_t ask) override;
  void tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) override;
  void logins_changed() override;
  void login_foreign(ShardId id) override;

  // IdentifyOwner
  Logins::Ticket identify_asked(const IdentifyRequest& request, Logins::Answer answer) override;
  void identify_withdrawn(const Logins::Ticket& ticket) override { logins_.withdraw(ticket); }
  void identify_delivered(const Logins::Ticket& ticket) override;

  // BootOwner
  void may_boot() override;

 private:
  /// Sends the result of a request to the master or the bot. Does nothing if that connection or bot is gone.
  using Answer = std::function<void(const Outcome&)>;
  [[nodiscard]] Answer answer_to_master(std::optional<socketio::AckId> ack_id);
  [[nodiscard]] Answer answer_to_bot(std::string reply);
  /// The bot's requests that have no answer yet.
  struct Asked {
    std::size_t count = 0;
    std::size_t bytes = 0;  ///< size of the parts of a request that its answer repeats
  };

  // Orders of the master.
  void on_update(const socketio::Arguments& arguments);
  void on_respawn(const socketio::Arguments& arguments);
  void on_permit(const socketio::Arguments& arguments);
  void ask_bot(const Answer& answer, const std::function<void(Channel&)>& ask);
  net::Task<> on_master_key(std::string pem, std::string signature, Answer answer);
  [[nodiscard]] static std::function<void()> failed(const Answer& answer);
  void on_write_file(socketio::Arguments arguments, Answer answer);
  void on_get_file(const socketio::Arguments& arguments, Answer answer);
  net::Task<> write_file(wire::FileEvent event, Answer answer);
  net::Task<> send_file(std::string name, Answer answer);

  // Start and stop of the bot.
  void obey(BotLife::Order order);
  void start_bot();
  void ask_to_start();
  [[nodiscard]] BotCommand bot_command(const Assignment& assignment) const;
  void arm_life();

  // The lease: how long the bot may run without contact to the master.
  void ask_for_lease();
  void lease_changed();
  void arm_master_watch();
  [[nodiscard]] bool lost_master();
  void stop_soon();
  void arm_kill(Millis patience);

  void arm_channel_watch();
  void arm_logins();
  void leave();

  // Statuses.
  void send_status();
  void send_status_soon();
  void ask_figures();
  void take_figures(const Outcome& outcome);
  void arm_status();
  [[nodiscard]] fleet::BotReport bot_report() const;
  [[nodiscard]] std::vector<fleet::GatewayReport> gateways() const;
  [[nodiscard]] std::string tag() const;

  // The bot's requests.
  void on_bot(request::Eval eval, std::string reply);
  void on_bot(request::FetchProp fetch, std::string reply);
  void on_bot(request::RespawnAll respawn, std::string reply);
  void on_bot(request::Sql sql, std::string reply);
  void on_bot(request::WriteFile file, std::string reply);
  void on_bot(request::GetFile file, std::string reply);
  void on_bot(request::Reboot reboot, std::string reply);
  void on_bot(request::Message message, std::string reply);
  net::Task<> finish_get_file(Outcome outcome, Answer answer);

  Shared& shared_;
  const std::shared_ptr<ShardConfig> config_;
  const ShardName name_;  ///< of this process: the shard's name, with the process' index if that is not 0
  const int lock_;
  LeasePage lease_page_;
  net::Busy sending_file_;
  std::size_t files_ = 0;   ///< that are to be sent
  Instant said_refusal_{};  ///< of a bot that asks by HTTP: when it was logged last
  Instant said_foreign_{};
  Uplink uplink_;
  Requests requests_;
  OutputFeed output_;
  BotLife life_;
  std::shared_ptr<BotProcess> bot_;
  std::optional<Channel> channel_;
  Logins logins_{*this};
  std::optional<IdentifyServer::Address> identify_address_;
  Statuses statuses_;

  // State from the last `update`.
  bool is_master_ = false;
  std::string bot_name_;
  std::vector<std::string> node_args_;
  std::vector<std::string> bot_args_;
  bool asks_for_statuses_ = true;  ///< update style "pull": each `update` is answered with a status
  Millis interval_{30'000};
  Lease lease_;
  bool asking_for_lease_ = false;

  // State of the current bot, or of the last one.
  unsigned bot_generation_ = 0;
  /// Shared with pending answers, which may outlive the bot.
  std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
  std::optional<bool> ready_;
  /// The bot has said on its channel that it has lost its gateway: "disconnected", or "logging in" while it
  /// reconnects; empty: it has not.
  std::string_view lost_gateway_;
  bool ended_ = false;    ///< the bot's own process has ended; its descendants may still run
  bool hung_up_ = false;  ///< the bot has closed its channel: requests to it fail
  Time start_time_ = fleet::kNever;
  Time stop_time_ = fleet::kNever;
  std::string last_exit_;
  std::vector<std::string> last_lines_;  ///< of a bot that died
  /// Index of the script in kStatsScripts that this bot supports; past the end: none.
  std::size_t stats_script_ = 0;
  bool asking_figures_ = false;
  std::optional<boost::json::object> figures_;

  net::Timer life_timer_;
  net::Timer master_watch_;
  net::Timer lease_timer_;
  net::Timer channel_watch_;
  net::Timer logins_timer_;
  net::Timer status_timer_;
  net::Timer figures_timer_;
  net::Timer soon_timer_;
  bool status_due_ = false;
  bool figures_due_ = false;
  Instant told_soon_{};
  net::Timer respawn_timer_;
  net::Timer kill_timer_;
  bool leaving_ = false;
  bool left_ = false;
};

}  // namespace smaster::agent
