// The server's settings: defaults, overridden by a TOML file. Errors in the file are reported with line and
// column.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "fleet/planner.hpp"
#include "log/log.hpp"
#include "sql/sql.hpp"

namespace smaster::server {

enum class UpdateStyle { pull, push, event };
[[nodiscard]] std::string_view to_string(UpdateStyle style);

/// The address that new configs give to shards.
struct RemoteHost {
  std::string protocol;  ///< "http:" or "https:"; empty: the server's own
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: the server's own
  std::string path;        ///< empty: the server's own
};

/// The dashboard.
struct DashboardSettings {
  std::string address = "127.0.0.1";
  std::int32_t port = -1;               ///< 0: any free port; −1: no dashboard
  std::filesystem::path password_file;  ///< empty: no password
  std::vector<std::string> allow;       ///< "eval", "respawn", "silence", "logs"; empty: none
};

/// The store of the registry.
struct StoreSettings {
  std::string url;                    ///< empty: SQLite in state_dir
  std::filesystem::path ca_file;      ///< more certificate authorities for etcds URLs, PEM
  std::filesystem::path certificate;  ///< client certificate for etcd, PEM; empty: none
  std::filesystem::path key;
  Millis lease{5'000};  ///< how long a server leads without a renewal

  /// True if several servers may share it.
  [[nodiscard]] bool shared() const { return !url.empty(); }
};

/// This server in a cluster.
struct ClusterSettings {
  std::string name;                  ///< empty: its URL's host and port
  std::string url;                   ///< address for shards and other servers; empty: by address and port
  std::vector<std::string> masters;  ///< "host:port" of all, for new configs; empty: [remote_host] alone
  std::filesystem::path ca_file;     ///< more certificate authorities for the other servers, PEM
};

/// Requests that shards may make.
struct Permissions {
  bool eval = true;                   ///< broadcastEval, fetchClientValues, sendMessage
  bool sql = true;                    ///< sendSQL, within [database] shard_access
  bool files = true;                  ///< writeFile, getFile
  bool reboot = true;                 ///< reboot, respawnAll
  std::vector<std::string> writable;  ///< in project_dir; empty: all but protected files
};

/// [alerts].
struct AlertSettings {
  std::vector<std::string> command;   ///< a program that gets each message as JSON; empty: none
  std::vector<std::string> webhooks;  ///< URLs that it is posted to
  std::filesystem::path ca_file;      ///< more certificate authorities for them, PEM
  std::string alive_url;              ///< asked every alive_interval; empty: none
  Millis alive_interval{60'000};
  Millis id_down_after{300'000};
  Millis repeat{6LL * 3'600'000};
  std::uint32_t ready_percent = 10;  ///< of the ids down, /readyz?strict fails
};

/// All settings, with their defaults. man smaster.toml describes each.
struct Settings {
  // [server]
  std::string address = "127.0.0.1";
  std::uint16_t port = 8024;
  std::string path = "/socket.io/";
  std::filesystem::path state_dir;           ///< default: $XDG_STATE_HOME/smaster
  std::filesystem::path control_socket;      ///< default: where the tools look for it
  std::vector<std::string> trusted_proxies;  ///< addresses and networks
  std::filesystem::path project_dir;         ///< files for shards; empty: none
  std::filesystem::path tls_certificate;     ///< PEM; empty: shards connect without TLS
  std::filesystem::path tls_key;
  std::string control_group;  ///< a group that may use the control socket as well; empty: none
  // [shards]
  ShardCount count{1};
  bool count_auto = false;  ///< count = "auto": what Discord recommends
  Millis auto_detect_interval{86'400'000};
  std::filesystem::path token_file;  ///< the bot's token, to ask Discord with
  std::string token_env;             ///< or the environment variable with the token
  std::string bot_name = "release";
  std::vector<std::string> node_args;
  std::vector<std::string> bot_args;
  Millis respawn_delay{5'000};
  Millis login_patience{15'000};
  Millis gateway_patience{180'000};
  Millis timestamp_precision{300'000};
  bool auto_generate = true;
  std::vector<std::string> copy_files;  ///< files in project_dir, sent to every shard that connects
  std::optional<fleet::Strategy> reshard_strategy;  ///< unset: that of Goal::strategy_for
  std::uint32_t reshard_max_down = 1;
  bool rebalance = false;  ///< keep the hosts balanced
  // [limits]
  std::uint32_t conn_count = 5;
  Millis conn_time{10'000};
  std::uint32_t max_payload = 1'000'000;
  // [heartbeat]
  UpdateStyle update_style = UpdateStyle::pull;
  Millis interval{30'000};
  bool disperse = true;
  bool use_message_stats = true;
  Millis request_reboot_after{120'000};
  Millis expect_reboot_after{180'000};
  Millis assume_dead_after{300'000};
  Millis history_length{86'400'000};
  // [discord]
  std::string api_base = "https://discord.com/api/v10";
  std::string discord_ca_file;         ///< more certificate authorities, PEM
  std::int64_t identify_reserve = 20;  ///< logins per day that are reserved for the operator
  // [log]
  log::Format log_format = log::Format::text;
  std::string log_level = "info";
  // [mail]
  bool mail_enabled = false;
  std::string mail_command = "sendmail";
  std::vector<std::string> mail_args;       ///< for a new config; %ATTACHMENT% stands for its file
  std::vector<std::string> mail_fail_args;  ///< for failures and alerts
  std::map<std::string, std::string> mail_env;
  Millis mail_timeout{30'000};
  std::string mail_create_message =
      "{date}: there is a config for the new shard {id}.\n\nIts public key is\n{pubkey}\n";
  std::string mail_create_fail_message = "{date}: no config can be made for a new shard.\n\n{errors}\n";
  std::string mail_alert_message = "{date}: {text}\n";
  // [alerts]
  AlertSettings alerts;
  // [update]
  std::vector<std::string> update_command;  ///< a program and its arguments; empty: nothing runs here
  Millis update_timeout{600'000};
  // [database]
  std::string database_url;  ///< empty: SQLite in state_dir
  sql::Access shard_access = sql::Access::write;
  Millis statement_timeout{30'000};
  std::uint32_t max_rows = 10'000;
  // [store], [history]
  StoreSettings store;
  std::string history_url;  ///< empty: SQLite in state_dir
  // [events]
  Millis events_length{30LL * 86'400'000};
  std::uint32_t events_most = 200'000;  ///< number of events that are kept
  // [cluster]
  ClusterSettings cluster;
  // [permissions]
  Permissions permissions;
  // [dashboard]
  DashboardSettings dashboard;
  // [remote_host], [master_host]
  RemoteHost remote_host;
  RemoteHost master_host;

  /// The protocol of this server's own port.
  /// Whether they name a place of the bot's token.
  [[nodiscard]] bool names_token() const { return !token_file.empty() || !token_env.empty(); }
  [[nodiscard]] const char* protocol() const { return tls_certificate.empty() ? "http:" : "https:"; }
};

/// Reads TOML text over `defaults`. bad_config names `source`, line, column, the key and what it takes.
[[nodiscard]] Result<Settings> parse_settings(std::string_view toml, const std::string& source,
                                              Settings defaults);

/// One setting with its value as TOML.
struct SettingText {
  std::string key;  ///< "section.key"
  std::string value;
  bool secret = false;  ///< the value must not be logged
  bool set = true;      ///< false where `value` is a placeholder for "unset" that the parser would reject
};

/// All settings, in the order of their keys.
[[nodiscard]] std::vector<SettingText> describe(Settings settings);

/// Stands for the value of a secret in JSON.
inline constexpr std::string_view kSecretText = "(not shown)";
/// All settings as JSON, by section; null for unset ones, kSecretText for secrets.
[[nodiscard]] std::string to_json(const Settings& settings);

/// Checks the files that the settings name; blocks. Errors: bad_config, which names the setting.
[[nodiscard]] Result<void> check_files(const Settings& settings);

/// $XDG_STATE_HOME/smaster, else ~/.local/state/smaster, else /var/lib/smaster.
[[nodiscard]] std::filesystem::path default_state_dir();

}  // namespace smaster::server
