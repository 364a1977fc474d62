// All settings: by section and key, with their kinds and limits.
#include "net/address.hpp"
#include "net/http_client.hpp"
#include "settings/kinds.hpp"

namespace smaster::server::kinds {
namespace {

Table remote(RemoteHost& host) {
  return {{"host", text(host.host)},
          {"port", number(host.port, 1, 65535)},
          {"protocol", one_of(host.protocol, {"http:", "https:"})},
          {"path", url_path(host.path)}};
}

}  // namespace

std::map<std::string_view, Table> sections(Settings& s) {
  constexpr std::int64_t kMaxShards = 100'000;
  return {
      {"server",
       {{"address", text(s.address)},
        {"port", number(s.port, 0, 65535)},
        {"path", url_path(s.path)},
        {"state_dir", path(s.state_dir)},
        {"control_socket", path(s.control_socket)},
        {"control_group", text(s.control_group)},
        {"project_dir", path(s.project_dir)},
        {"tls_certificate", path(s.tls_certificate)},
        {"tls_key", path(s.tls_key)},
        {"trusted_proxies", texts(s.trusted_proxies,
                                  [](const std::string& entry) -> std::optional<std::string> {
                                    if (net::parse_network(entry)) return std::nullopt;
                                    return "takes addresses and networks such as \"10.0.0.0/8\", not \"" +
                                           entry + '"';
                                  })}}},
      {"shards",
       {{"count", shard_count(s, kMaxShards)},
        {"auto_detect_interval", duration(s.auto_detect_interval, Millis{60'000})},
        {"token_file", path(s.token_file)},
        {"token_env", text(s.token_env)},
        {"bot_name", text(s.bot_name)},
        {"node_args", texts(s.node_args)},
        {"bot_args", texts(s.bot_args)},
        {"respawn_delay", duration(s.respawn_delay, Millis{0})},
        {"login_patience", duration(s.login_patience, Millis{1'000})},
        {"timestamp_precision", duration(s.timestamp_precision, Millis{1000})},
        {"auto_generate", yes_no(s.auto_generate)},
        {"copy_files", texts(s.copy_files)},
        {"reshard_strategy", reshard_strategy(s.reshard_strategy)},
        {"reshard_max_down", number(s.reshard_max_down, 1, 100'000)},
        {"rebalance", yes_no(s.rebalance)}}},
      {"limits",
       {{"conn_count", number(s.conn_count, 1, 1'000'000)},
        {"conn_time", duration(s.conn_time, Millis{1})},
        {"max_payload", number(s.max_payload, 1024, 1 << 30)}}},
      {"heartbeat",
       {{"update_style", update_style(s.update_style)},
        {"interval", duration(s.interval, Millis{100})},
        {"disperse", yes_no(s.disperse)},
        {"use_message_stats", yes_no(s.use_message_stats)},
        {"request_reboot_after", duration(s.request_reboot_after, Millis{1000})},
        {"expect_reboot_after", duration(s.expect_reboot_after, Millis{1000})},
        {"assume_dead_after", duration(s.assume_dead_after, Millis{1000})},
        {"gateway_patience", duration(s.gateway_patience, Millis{1'000})},
        {"history_length", duration(s.history_length, Millis{0})}}},
      {"discord",
       {{"api_base", api_base(s.api_base)},
        {"ca_file", text(s.discord_ca_file)},
        {"identify_reserve", number(s.identify_reserve, 0, 1'000'000)}}},
      {"log",
       {{"format", log_format(s.log_format)},
        {"level", one_of(s.log_level, {"debug", "info", "warn", "error"})}}},
      {"mail",
       {{"enabled", yes_no(s.mail_enabled)},
        {"command", text(s.mail_command)},
        {"args", texts(s.mail_args)},
        {"fail_args", texts(s.mail_fail_args)},
        {"env", secret(variables(s.mail_env))},
        {"timeout", duration(s.mail_timeout, Millis{100})},
        {"create_message", text(s.mail_create_message)},
        {"create_fail_message", text(s.mail_create_fail_message)},
        {"alert_message", text(s.mail_alert_message)}}},
      {"alerts",
       {{"command", texts(s.alerts.command)},
        {"webhooks", secret(web_urls(s.alerts.webhooks))},
        {"ca_file", path(s.alerts.ca_file)},
        {"alive_url", secret(web_url(s.alerts.alive_url))},
        {"alive_interval", duration(s.alerts.alive_interval, Millis{1'000})},
        {"id_down_after", duration(s.alerts.id_down_after, Millis{1'000})},
        {"repeat", duration(s.alerts.repeat, Millis{0})},
        {"ready_percent", number(s.alerts.ready_percent, 1, 100)}}},
      {"update",
       {{"command", texts(s.update_command)}, {"timeout", duration(s.update_timeout, Millis{1000})}}},
      {"database",
       {{"url", secret(database_url(s.database_url))},
        {"shard_access", access(s.shard_access)},
        {"statement_timeout", duration(s.statement_timeout, Millis{10})},
        {"max_rows", number(s.max_rows, 1, 10'000'000)}}},
      {"store",
       {{"url", secret(store_url(s.store.url))},
        {"ca_file", path(s.store.ca_file)},
        {"certificate", path(s.store.certificate)},
        {"key", path(s.store.key)},
        {"lease", duration(s.store.lease, Millis{2'000})}}},
      {"history", {{"url", secret(history_url(s.history_url))}}},
      {"events",
       {{"length", duration(s.events_length, Millis{60'000})},
        {"most", number(s.events_most, 1'000, 10'000'000)}}},
      {"cluster",
       {{"name", text(s.cluster.name)},
        {"url", server_url(s.cluster.url)},
        {"ca_file", path(s.cluster.ca_file)},
        {"masters", texts(s.cluster.masters,
                          [](const std::string& entry) -> std::optional<std::string> {
                            if (net::parse_host_port(entry)) return std::nullopt;
                            return "takes hosts with ports such as \"master-a:8024\", not \"" + entry + '"';
                          })}}},
      {"permissions",
       {{"eval", yes_no(s.permissions.eval)},
        {"sql", yes_no(s.permissions.sql)},
        {"files", yes_no(s.permissions.files)},
        {"reboot", yes_no(s.permissions.reboot)},
        {"writable",
         texts(s.permissions.writable,
               [](const std::string& name) -> std::optional<std::string> {
                 const auto path = std::filesystem::path(name).lexically_normal();
                 if (!path.empty() && path.is_relative() && path != "." && *path.begin() != "..")
                   return std::nullopt;
                 return "takes folders and files below server.project_dir such as \"save\", not \"" + name +
                        '"';
               })}}},
      {"dashboard",
       {{"listen", listen_on(s.dashboard)},
        {"password_file", path(s.dashboard.password_file)},
        {"allow", texts(s.dashboard.allow,
                        [](const std::string& what) -> std::optional<std::string> {
                          for (const auto* known : {"eval", "respawn", "silence", "logs"}) {
                            if (what == known) return std::nullopt;
                          }
                          return R"(takes "eval", "respawn", "silence" and "logs", not ")" + what + '"';
                        })}}},
      {"remote_host", remote(s.remote_host)},
      {"master_host", remote(s.master_host)},
  };
}

}  // namespace smaster::server::kinds
