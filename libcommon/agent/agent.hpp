// One shard of the master's, run here: obeys its master, keeps the bot process as it is told, carries between
// the two, and reports. One file a subject: the master's orders in agent.cpp, the bot's process and channel
// in agent_bot.cpp, statuses in agent_statuses.cpp, the bot's requests in agent_requests.cpp, files in
// agent_files.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/boots.hpp"
#include "agent/bot_life.hpp"
#include "agent/bot_process.hpp"
#include "agent/channel.hpp"
#include "agent/config_lock.hpp"
#include "agent/identify_server.hpp"
#include "agent/lease.hpp"
#include "agent/logins.hpp"
#include "agent/requests.hpp"
#include "agent/statuses.hpp"
#include "agent/storage_gauge.hpp"
#include "agent/uplink.hpp"
#include "files/folder.hpp"
#include "net/task_scope.hpp"
#include "wire/shard/file_event.hpp"

namespace smaster::agent {

/// What all agents of a process have in common.
struct AgentOptions {
  std::vector<std::string> command;      ///< the bot's program and its arguments
  std::vector<std::string> environment;  ///< NAME=VALUE, what the bot gets besides its shard
  bool prefix = false;                   ///< mark each line of the bot's output with the shard
  Millis grace{30'000};                  ///< from SIGTERM to SIGKILL
  LifeOptions life;
  std::string ca_file;  ///< more certificate authorities, PEM
  std::optional<std::filesystem::path> project_dir;
  int processes = 1;           ///< bot processes for each config
  int shards_per_process = 1;  ///< shard ids that each takes at most
  std::string host;            ///< what the master is to call this host
  bool hooks = true;           ///< have Node.js and Python load what makes bots ask before they log in
};

/// What an agent says of itself with CONNECT: its options, and the identity of the lock on its config.
[[nodiscard]] std::string introduction(const AgentOptions& options, const Identity& identity,
                                       bool only_check = false);

/// What agents of one process share.
struct Shared {
  net::asio::io_context& context;
  net::TaskScope& tasks;
  net::asio::thread_pool& pool;  ///< one thread: files change in the order in which they were asked for
  const AgentOptions& options;
  std::shared_ptr<net::asio::ssl::context> tls;
  const files::Folder* project = nullptr;  ///< none: no files
  const StorageGauge& storage;
  Boots& boots;
  IdentifyServer* identify = nullptr;  ///< none: bots cannot ask by HTTP
  ProcessTree processes{};
  std::vector<std::shared_ptr<LeaderLookup>> lookups{};

  /// One for all agents with these masters.
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
  /// `process`: which of the shard's processes it is, from 0. `lock`: a descriptor that keeps other agents
  /// from using the same config. `introduction`: what the master is told of us.
  Agent(Shared& shared, std::shared_ptr<ShardConfig> config, int process, int lock, LeasePage page,
        std::string introduction);

  void start();
  /// Stops the bot, tells the master, leaves; then calls `on_finished`. A second time: kills the bot.
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
  void to_bot(std::string line) override;
  void bot_state(BotState state) override;
  void bot_request(Request request, std::string reply) override;

  // LoginSink
  void login_line(std::string line) override { to_bot(std::move(line)); }
  void ask_master(ShardId id, std::uint64_t ask) override;
  void tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) override;
  void logins_changed() override;

  // IdentifyOwner
  Logins::Ticket identify_asked(const IdentifyRequest& request, Logins::Answer answer) override;
  void identify_withdrawn(const Logins::Ticket& ticket) override { logins_.withdraw(ticket); }
  void identify_delivered(const Logins::Ticket& ticket) override;

  // BootOwner
  void may_boot() override;

 private:
  /// Answers a request of the master's or of the bot's; stale ones, of a connection or a bot that is gone,
  /// say nothing.
  using Answer = std::function<void(const Outcome&)>;
  [[nodiscard]] Answer answer_to_master(std::optional<socketio::AckId> ack_id);
  [[nodiscard]] Answer answer_to_bot(std::string reply);
  /// What the bot has asked for and waits for.
  struct Asked {
    std::size_t count = 0;
    std::size_t bytes = 0;  ///< of what its answers repeat
  };

  // The master's orders.
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

  // The bot's life.
  void obey(BotLife::Order order);
  void start_bot();
  void ask_to_start();
  [[nodiscard]] BotCommand bot_command(const Role& role) const;
  void arm_life();

  // The lease: until when the bot may run without word from the master.
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
  const ShardName name_;  ///< of the process
  const int lock_;
  LeasePage lease_page_;
  Uplink uplink_;
  Requests requests_;
  BotLife life_;
  std::shared_ptr<BotProcess> bot_;
  std::optional<Channel> channel_;
  Logins logins_{*this};
  std::optional<IdentifyServer::Address> identify_address_;
  Statuses statuses_;

  // What the master said last.
  bool is_master_ = false;
  std::string bot_name_;
  std::vector<std::string> node_args_;
  std::vector<std::string> bot_args_;
  bool asks_for_statuses_ = true;  ///< update style pull: every update is a question
  Millis interval_{30'000};
  Lease lease_;
  bool asking_for_lease_ = false;

  // The bot of now, and the last one.
  unsigned bot_generation_ = 0;
  std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();  ///< shared with the answers
  std::optional<bool> ready_;
  bool ended_ = false;    ///< its own process; what it had started may not have
  bool hung_up_ = false;  ///< it cannot be asked any more
  Time start_time_ = fleet::kNever;
  Time stop_time_ = fleet::kNever;
  std::string last_exit_;
  std::size_t stats_script_ = 0;  ///< which of kStatsScripts it understands; past the last: none
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
