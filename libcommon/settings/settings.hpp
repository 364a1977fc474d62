// The server's settings: defaults, the TOML file over them. What is wrong in a file is said with line and
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

/// Where shards are told to connect.
struct RemoteHost {
  std::string protocol;  ///< "http:" or "https:"; empty: the server's own
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: the server's own
  std::string path;        ///< empty: the server's own
};

/// The page with the fleet on it.
struct DashboardSettings {
  std::string address = "127.0.0.1";
  std::int32_t port = -1;               ///< 0: a free one; -1: there is none
  std::filesystem::path password_file;  ///< empty: nobody is asked for one
  std::vector<std::string> allow;       ///< "eval", "respawn"; only looking without
};

/// Where the registry is kept.
struct StoreSettings {
  std::string url;                    ///< empty: SQLite in state_dir
  std::filesystem::path ca_file;      ///< more certificate authorities for etcds URLs, PEM
  std::filesystem::path certificate;  ///< ours for etcd, PEM; empty: none
  std::filesystem::path key;
  Millis lease{5'000};  ///< for how long a server leads without renewing that

  /// Whether several servers may share it.
  [[nodiscard]] bool shared() const { return !url.empty(); }
};

/// This server among those that share a store.
struct ClusterSettings {
  std::string name;                  ///< empty: its URL's host and port
  std::string url;                   ///< where the others and shards reach it; empty: by address and port
  std::vector<std::string> masters;  ///< "host:port" of all, for new configs; empty: [remote_host] alone
  std::filesystem::path ca_file;     ///< more certificate authorities for the other servers, PEM
};

/// What shards may ask the server for.
struct Permissions {
  bool eval = true;                   ///< broadcastEval, fetchClientValues, sendMessage
  bool sql = true;                    ///< sendSQL, within [database] shard_access
  bool files = true;                  ///< writeFile, getFile
  bool reboot = true;                 ///< reboot, respawnAll
  std::vector<std::string> writable;  ///< of project_dir; empty: all but what is kept from shards
};

struct Settings {
  // [server]
  std::string address = "127.0.0.1";
  std::uint16_t port = 8024;
  std::string path = "/socket.io/";
  std::filesystem::path state_dir;           ///< default: $XDG_STATE_HOME/smaster
  std::filesystem::path control_socket;      ///< default: as the tools look for it
  std::vector<std::string> trusted_proxies;  ///< addresses and networks
  std::filesystem::path project_dir;         ///< files for shards; empty: none
  std::filesystem::path tls_certificate;     ///< PEM; empty: shards connect without TLS
  std::filesystem::path tls_key;
  std::string control_group;  ///< whose members may use the control socket as well; empty: nobody else
  // [shards]
  ShardCount count{1};
  bool count_auto = false;  ///< count = "auto": what Discord recommends
  Millis auto_detect_interval{86'400'000};
  std::filesystem::path token_file;  ///< the bot's token, to ask Discord with
  std::string token_env;             ///< or the variable that has it
  std::string bot_name = "release";
  std::vector<std::string> node_args;
  std::vector<std::string> bot_args;
  Millis respawn_delay{5'000};
  Millis login_patience{15'000};
  Millis gateway_patience{180'000};
  Millis timestamp_precision{300'000};
  bool auto_generate = true;
  std::vector<std::string> copy_files;              ///< of project_dir, for every shard that connects
  std::optional<fleet::Strategy> reshard_strategy;  ///< none: by the spares there are
  std::uint32_t reshard_max_down = 1;
  bool rebalance = false;  ///< even out the hosts whenever they are not
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
  std::int64_t identify_reserve = 20;  ///< of a day's logins, kept for the operator
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
  // [cluster]
  ClusterSettings cluster;
  // [permissions]
  Permissions permissions;
  // [dashboard]
  DashboardSettings dashboard;
  // [remote_host], [master_host]
  RemoteHost remote_host;
  RemoteHost master_host;

  /// What shards speak with this server itself.
  [[nodiscard]] const char* protocol() const { return tls_certificate.empty() ? "http:" : "https:"; }
};

/// Reads TOML text over `defaults`. bad_config names `source`, line, column, the key and what it takes.
[[nodiscard]] Result<Settings> parse_settings(std::string_view toml, const std::string& source,
                                              Settings defaults);

/// One setting with its value as TOML has it.
struct SettingText {
  std::string key;  ///< "section.key"
  std::string value;
  bool secret = false;  ///< the value is not for logs
  bool set = true;      ///< whether a file can say it; else it stands for none, or for what others say
};

/// All settings, in the order of their keys.
[[nodiscard]] std::vector<SettingText> describe(Settings settings);

/// What stands for a secret in JSON.
inline constexpr std::string_view kSecretText = "(not shown)";
/// All settings as JSON, by section; null where none is set, kSecretText for secrets.
[[nodiscard]] std::string to_json(const Settings& settings);

/// Looks at the files that the settings name; bad_config says which cannot be used.
[[nodiscard]] Result<void> check_files(const Settings& settings);

/// $XDG_STATE_HOME/smaster, else ~/.local/state/smaster, else /var/lib/smaster.
[[nodiscard]] std::filesystem::path default_state_dir();

}  // namespace smaster::server
