#include <gtest/gtest.h>

#include <utility>

#include "json/json.hpp"
#include "settings/settings.hpp"

namespace smaster::server {
namespace {

std::string error_of(std::string_view toml) {
  const auto settings = parse_settings(toml, "f.toml", {});
  return settings ? "" : settings.error().message;
}

TEST(Settings, FileBeatsDefaults) {
  const auto settings = parse_settings(R"(
[server]
port = 9000
trusted_proxies = ["10.0.0.0/8", "::1"]
[shards]
count = 16
node_args = ["--a"]
[limits]
conn_time = "1m"
[heartbeat]
update_style = "push"
interval = "15s"
[remote_host]
host = "shards.example.org"
protocol = "https:"
port = 443
)",
                                       "f.toml", {});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->port, 9000);
  EXPECT_EQ(settings->trusted_proxies.size(), 2u);
  EXPECT_EQ(settings->count, ShardCount{16});
  EXPECT_EQ(settings->conn_time, Millis{60'000});
  EXPECT_EQ(settings->update_style, UpdateStyle::push);
  EXPECT_EQ(settings->interval, Millis{15'000});
  EXPECT_EQ(settings->remote_host.host, "shards.example.org");
  EXPECT_EQ(settings->conn_count, 5u) << "a default stays";
}

TEST(Settings, ErrorsSayWhereWhatAndWhatIsRight) {
  EXPECT_EQ(error_of("[server]\n  prot = 1"),
            "f.toml:2:3: unknown setting server.prot; [server] takes address, control_group, "
            "control_socket, path, port, project_dir, state_dir, tls_certificate, tls_key, trusted_proxies");
  EXPECT_EQ(error_of("[sever]\nport = 1"),
            "f.toml:1:2: unknown section \"sever\"; there are alerts, cluster, dashboard, database, discord, "
            "events, heartbeat, history, "
            "limits, log, mail, master_host, permissions, remote_host, server, shards, store, update");
  EXPECT_NE(error_of("[}"), "");  // toml++ asserts otherwise
  // A letter where toml++ looks for a blank.
  EXPECT_NE(error_of("[shards]\ncount = \xef\xbb\xbb\"auto\""), "");
  EXPECT_EQ(error_of("[server]\nport = \"x\""),
            "f.toml:2:8: server.port takes a whole number from 0 to 65535");
  EXPECT_EQ(error_of("[server]\nport = 70000"),
            "f.toml:2:8: server.port takes a whole number from 0 to 65535");
  EXPECT_EQ(error_of("[heartbeat]\ninterval = 30"),
            "f.toml:2:12: heartbeat.interval takes a duration such as \"30s\" or \"5m\", at least 100ms");
  EXPECT_EQ(error_of("[heartbeat]\nupdate_style = \"pul\""),
            "f.toml:2:16: heartbeat.update_style takes one of \"pull\" \"push\" \"event\"");
}

TEST(Settings, AreWrittenAsTheyAreRead) {
  Settings settings;
  for (char c = 1; c > 0; ++c) settings.bot_args.push_back(std::string("é") + c);
  settings.mail_env = {{"A B.\"c\"", "x\x7F\n"}};
  settings.dashboard = {"::1", 0, {}, {}};
  std::string toml;
  std::string section;
  for (const auto& [key, value, secret, set] : describe(settings)) {
    const auto dot = key.find('.');
    if (std::exchange(section, key.substr(0, dot)) != key.substr(0, dot)) toml += '[' + section + "]\n";
    if (set) toml += key.substr(dot + 1) + " = " + value + '\n';
  }
  const auto again = parse_settings(toml, "t", {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->bot_args, settings.bot_args);
  EXPECT_EQ(again->mail_env, settings.mail_env);
  EXPECT_EQ(again->dashboard.address, "::1");
  EXPECT_TRUE(json::valid(to_json(settings)));
}

TEST(Settings, BrokenTomlIsReportedWithItsPlace) {
  EXPECT_EQ(error_of("[server]\nport = = 1").substr(0, 9), "f.toml:2:");
  EXPECT_NE(error_of("server = 5"), "");
  EXPECT_NE(error_of("[server]\ntrusted_proxies = [\"nonsense\"]"), "");
  EXPECT_NE(error_of("[shards]\ncount = -1"), "");
}

}  // namespace
}  // namespace smaster::server
