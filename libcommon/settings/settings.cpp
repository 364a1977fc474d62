#include "settings/settings.hpp"

#include <cstdlib>
#include <functional>
#include <map>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "discord/gateway.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/stream.hpp"
#include "settings/containment.hpp"
#include "sql/engine.hpp"
#include "store/open.hpp"

namespace smaster::server {
namespace {

/// Sets a setting from a node; the sentence says what the key takes when the node does not fit.
using Set = std::function<std::optional<std::string>(const toml::node&)>;

/// One setting: how it is read, and how it is written.
struct Setting {
  Set set;
  std::function<std::string()> text;  ///< as TOML has it
  bool secret = false;                ///< its value is not for logs
};
using Table = std::map<std::string_view, Setting>;

std::string as_toml(const std::string& text) { return json_as_toml(json::quote(text)); }

std::string as_toml(const std::vector<std::string>& values) {
  std::string list;
  for (const auto& value : values) list += (list.empty() ? "" : ", ") + as_toml(value);
  return '[' + list + ']';
}

Setting text(std::string& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_string()) return "takes a text";
            out = node.as_string()->get();
            return std::nullopt;
          },
          [&out] { return as_toml(out); }};
}

Setting path(std::filesystem::path& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_string() || node.as_string()->get().empty()) return "takes a path";
            out = node.as_string()->get();
            return std::nullopt;
          },
          [&out] { return as_toml(out.string()); }};
}

Setting yes_no(bool& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_boolean()) return "takes true or false";
            out = node.as_boolean()->get();
            return std::nullopt;
          },
          [&out] { return std::string(out ? "true" : "false"); }};
}

template <class Int>
Setting number(Int& out, std::int64_t least, std::int64_t most) {
  return {[&out, least, most](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_integer() || node.as_integer()->get() < least || node.as_integer()->get() > most) {
              return "takes a whole number from " + std::to_string(least) + " to " + std::to_string(most);
            }
            out = static_cast<Int>(node.as_integer()->get());
            return std::nullopt;
          },
          [&out] { return std::to_string(out); }};
}

Setting duration(Millis& out, Millis least) {
  return {[&out, least](const toml::node& node) -> std::optional<std::string> {
            const auto value = node.is_string() ? parse_duration(node.as_string()->get()) : std::nullopt;
            if (!value || *value < least) {
              return "takes a duration such as \"30s\" or \"5m\", at least " + format_duration(least);
            }
            out = *value;
            return std::nullopt;
          },
          [&out] { return as_toml(format_duration(out)); }};
}

Setting texts(std::vector<std::string>& out,
              const std::function<std::optional<std::string>(const std::string&)>& check = {}) {
  return {[&out, check](const toml::node& node) -> std::optional<std::string> {
            const auto* array = node.as_array();
            if (array == nullptr) return "takes a list of texts";
            std::vector<std::string> values;
            for (const auto& element : *array) {
              if (!element.is_string()) return "takes a list of texts";
              values.push_back(element.as_string()->get());
              if (check) {
                if (auto wrong = check(values.back())) return wrong;
              }
            }
            out = std::move(values);
            return std::nullopt;
          },
          [&out] { return as_toml(out); }};
}

Setting one_of(std::string& out, const std::vector<std::string>& choices) {
  return {[&out, choices](const toml::node& node) -> std::optional<std::string> {
            std::string sentence = "takes one of";
            for (const auto& choice : choices) {
              if (node.is_string() && node.as_string()->get() == choice) {
                out = choice;
                return std::nullopt;
              }
              sentence += " \"" + choice + '"';
            }
            return sentence;
          },
          [&out] { return as_toml(out); }};
}

Setting update_style(UpdateStyle& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            for (const auto style : {UpdateStyle::pull, UpdateStyle::push, UpdateStyle::event}) {
              if (node.is_string() && node.as_string()->get() == to_string(style)) {
                out = style;
                return std::nullopt;
              }
            }
            return R"(takes one of "pull" "push" "event")";
          },
          [&out] { return as_toml(std::string(to_string(out))); }};
}

Setting reshard_strategy(std::optional<fleet::Strategy>& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            const auto text = node.is_string() ? node.as_string()->get() : std::string();
            out = fleet::parse_strategy(text);
            if (out || text == "auto") return std::nullopt;
            return R"(takes one of "auto" "rolling" "blue-green" "at-once")";
          },
          [&out] { return as_toml(out ? std::string(fleet::to_string(*out)) : "auto"); }};
}

Setting url_path(std::string& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            const auto* value = node.as_string();
            if (value == nullptr || !value->get().starts_with('/') || !value->get().ends_with('/')) {
              return "takes a path that begins and ends with \"/\"";
            }
            out = value->get();
            return std::nullopt;
          },
          [&out] { return as_toml(out); }};
}

/// A number of shards, or "auto".
Setting shard_count(Settings& settings, std::int64_t most) {
  return {[&settings, most](const toml::node& node) -> std::optional<std::string> {
            settings.count_auto = node.is_string() && node.as_string()->get() == "auto";
            if (settings.count_auto) return std::nullopt;
            if (number(settings.count.value, 0, most).set(node)) {
              return "takes a whole number from 0 to " + std::to_string(most) + ", or \"auto\"";
            }
            return std::nullopt;
          },
          [&settings] {
            return settings.count_auto ? as_toml(std::string("auto")) : std::to_string(settings.count.value);
          }};
}

/// An address such as `example`; `check` says what is wrong with one, going on from the setting's name.
Setting address(std::string& out, const std::string& example,
                std::optional<std::string> (*check)(const std::string&)) {
  return {[&out, example, check](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_string()) return "takes an address such as \"" + example + '"';
            out = node.as_string()->get();
            return check(out);
          },
          [&out] { return as_toml(out); }};
}

template <class T>
std::optional<std::string> complaint(const Result<T>& result, const std::string& before = "") {
  return result ? std::nullopt : std::optional(before + result.error().message);
}

Setting api_base(std::string& out) {
  return address(out, "https://discord.com/api/v10", [](const std::string& text) {
    return complaint(discord::parse_api_base(text), "is wrong: ");
  });
}

Setting database_url(std::string& out) {
  return address(out, "postgresql://user@host/database",
                 [](const std::string& text) { return complaint(sql::check_url(text)); });
}

Setting store_url(std::string& out) {
  return address(out, "etcd://a:2379,b:2379,c:2379/smaster",
                 [](const std::string& text) { return complaint(store::check_url(text)); });
}

Setting history_url(std::string& out) {
  return address(out, "postgresql://user@host/database",
                 [](const std::string& text) { return complaint(store::open_history(text)); });
}

Setting server_url(std::string& out) {
  static constexpr auto kExample = "https://master-a.example.org:8024";
  return address(out, kExample, [](const std::string& text) {
    return net::parse_http_url(text)
               ? std::nullopt
               : std::optional(std::string("takes an address such as \"") + kExample + '"');
  });
}

std::string variables_text(const std::map<std::string, std::string>& values) {
  std::string list;
  for (const auto& [key, value] : values)
    list += (list.empty() ? "" : ", ") + as_toml(key) + " = " + as_toml(value);
  return '{' + list + '}';
}

Setting variables(std::map<std::string, std::string>& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            const auto* const table = node.as_table();
            if (table == nullptr) return R"(takes variables such as {HOME = "/var/lib/smaster"})";
            std::map<std::string, std::string> values;
            for (const auto& [key, value] : *table) {
              if (!value.is_string()) return "takes only texts as values";
              values.emplace(key.str(), value.as_string()->get());
            }
            out = std::move(values);
            return std::nullopt;
          },
          [&out] { return variables_text(out); }};
}

Setting access(sql::Access& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            for (const auto access : {sql::Access::none, sql::Access::read, sql::Access::write}) {
              if (node.is_string() && node.as_string()->get() == to_string(access)) {
                out = access;
                return std::nullopt;
              }
            }
            return R"(takes one of "none" "read" "write")";
          },
          [&out] { return as_toml(std::string(to_string(out))); }};
}

Setting log_format(log::Format& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            const auto format = node.is_string() ? log::parse_format(node.as_string()->get()) : std::nullopt;
            if (!format) return R"(takes one of "text" "json")";
            out = *format;
            return std::nullopt;
          },
          [&out] { return as_toml(std::string(to_string(out))); }};
}

/// A port on this machine's own address, or "ADDRESS:PORT".
Setting listen_on(DashboardSettings& out) {
  return {[&out](const toml::node& node) -> std::optional<std::string> {
            constexpr auto kWrong = R"(takes an address and a port such as "127.0.0.1:8025", or a port)";
            if (node.is_integer())
              return number(out.port, 0, 65535).set(node) ? std::optional(kWrong) : std::nullopt;
            const auto text = node.is_string() ? node.as_string()->get() : std::string();
            const auto colon = text.rfind(':');
            const auto port = colon == std::string::npos
                                  ? std::nullopt
                                  : parse_int<std::uint16_t>(std::string_view(text).substr(colon + 1));
            auto address = text.substr(0, port ? colon : 0);
            if (address.starts_with('[') && address.ends_with(']'))
              address = address.substr(1, address.size() - 2);
            if (!port || !net::is_address(address)) return kWrong;
            out.address = std::move(address);
            out.port = *port;
            return std::nullopt;
          },
          [&out] {
            const bool v6 = out.address.find(':') != std::string::npos;
            const auto address = v6 ? '[' + out.address + ']' : out.address;
            return out.port < 0 ? as_toml(std::string()) : as_toml(address + ':' + std::to_string(out.port));
          }};
}

Setting secret(Setting setting) {
  setting.secret = true;
  return setting;
}

Table remote(RemoteHost& host) {
  return {{"host", text(host.host)},
          {"port", number(host.port, 1, 65535)},
          {"protocol", one_of(host.protocol, {"http:", "https:"})},
          {"path", url_path(host.path)}};
}

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
                          if (what == "eval" || what == "respawn") return std::nullopt;
                          return R"(takes "eval" and "respawn", not ")" + what + '"';
                        })}}},
      {"remote_host", remote(s.remote_host)},
      {"master_host", remote(s.master_host)},
  };
}

/// Whether a text has a NUL character, at which C strings end: files, programs and addresses would be others
/// than those that the file seems to name.
bool says_nul(const toml::node& node) {
  if (const auto* const text = node.as_string()) return has_nul(text->get());
  bool found = false;
  if (const auto* const list = node.as_array()) {
    for (const auto& element : *list) found = found || says_nul(element);
  }
  if (const auto* const table = node.as_table()) {
    for (const auto& [key, value] : *table) found = found || has_nul(key.str()) || says_nul(value);
  }
  return found;
}

Error at(const std::string& source, const toml::source_position& where, const std::string& what) {
  return fail(ErrorKind::bad_config,
              source + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) + ": " + what);
}

/// Whether shards' SQL would run on the server's own store, by whichever name.
bool is_own_store(const Settings& settings) {
  const auto file = sql::sqlite_file(settings.database_url);
  if (!file) return false;
  const auto own = settings.state_dir / store::kStoreFile;
  std::error_code ignored;
  return std::filesystem::weakly_canonical(*file, ignored) ==
             std::filesystem::weakly_canonical(own, ignored) ||
         std::filesystem::equivalent(*file, own, ignored);
}

template <class Map>
std::string known(const Map& map) {
  std::string list;
  for (const auto& [key, value] : map) list.append(list.empty() ? "" : ", ").append(key);
  return list;
}

}  // namespace

std::string_view to_string(UpdateStyle style) {
  switch (style) {
    case UpdateStyle::pull:
      return "pull";
    case UpdateStyle::push:
      return "push";
    case UpdateStyle::event:
      return "event";
  }
  return "pull";
}

Result<Settings> parse_settings(std::string_view text, const std::string& source, Settings settings) {
  toml::table root;
  try {
    root = toml::parse(text, source);
  } catch (const toml::parse_error& e) {
    return at(source, e.source().begin, std::string(e.description()));
  }
  const auto known_sections = sections(settings);
  for (const auto& [section_key, section_node] : root) {
    const auto section = known_sections.find(section_key.str());
    if (section == known_sections.end()) {
      return at(
          source, section_key.source().begin,
          "unknown section \"" + std::string(section_key.str()) + "\"; there are " + known(known_sections));
    }
    const auto* table = section_node.as_table();
    if (table == nullptr) {
      return at(source, section_node.source().begin,
                std::string(section_key.str()) + " is a section, [" + std::string(section_key.str()) + ']');
    }
    for (const auto& [key, node] : *table) {
      const auto name = std::string(section_key.str()) + '.' + std::string(key.str());
      const auto setting = section->second.find(key.str());
      if (setting == section->second.end()) {
        return at(source, key.source().begin,
                  "unknown setting " + name + "; [" + std::string(section_key.str()) + "] takes " +
                      known(section->second));
      }
      if (says_nul(node))
        return at(source, node.source().begin, name + " has a NUL character (\\u0000) in it");
      if (const auto wrong = setting->second.set(node))
        return at(source, node.source().begin, name + ' ' + *wrong);
    }
  }
  if (settings.count_auto && settings.token_file.empty() && settings.token_env.empty()) {
    return fail(
        ErrorKind::bad_config,
        source + ": shards.count = \"auto\" asks Discord, which needs shards.token_file or shards.token_env");
  }
  if (settings.tls_certificate.empty() != settings.tls_key.empty()) {
    return fail(ErrorKind::bad_config, source + ": TLS needs both server.tls_certificate and server.tls_key");
  }
  if (settings.store.certificate.empty() != settings.store.key.empty()) {
    return fail(ErrorKind::bad_config, source + ": store.certificate and store.key go together");
  }
  if (is_own_store(settings)) {
    return fail(
        ErrorKind::bad_config,
        source + ": database.url is the server's own store, which shards must not reach: name another file");
  }
  if (settings.dashboard.port >= 0 && settings.dashboard.password_file.empty() &&
      !net::is_loopback(settings.dashboard.address)) {
    return fail(
        ErrorKind::bad_config,
        source + ": dashboard.listen is not of this machine alone, which needs dashboard.password_file");
  }
  return settings;
}

std::vector<SettingText> describe(Settings settings) {
  std::vector<SettingText> texts;
  for (const auto& [section, table] : sections(settings)) {
    for (const auto& [key, setting] : table) {
      const auto value = setting.text();
      const auto written = toml::parse("value = " + value);
      const bool set = !setting.set(*written.get("value"));
      texts.push_back({std::string(section) + '.' + std::string(key), value, setting.secret, set});
    }
  }
  return texts;
}

std::string to_json(const Settings& settings) {
  std::string text;
  std::string open;  // the section
  for (const auto& [name, value, secret, set] : describe(settings)) {
    const auto dot = name.find('.');
    const auto section = name.substr(0, dot);
    if (section != open) text += (open.empty() ? "{" : "},") + json::quote(section) + ":{";
    text += (section == open ? "," : "") + json::quote(name.substr(dot + 1)) + ':';
    open = section;
    const bool empty = !set || value == "{}";
    text += empty ? "null" : secret ? json::quote(kSecretText) : value;
  }
  return text + "}}";
}

Result<void> check_files(const Settings& settings) {
  const auto wrong = [](const char* name, const Error& error) {
    return fail(ErrorKind::bad_config, std::string(name) + ": " + error.message);
  };
  for (const auto& [name, path] : {std::pair{"shards.token_file", settings.token_file},
                                   std::pair{"dashboard.password_file", settings.dashboard.password_file}}) {
    if (path.empty()) continue;
    if (const auto content = read_file(path); !content) return wrong(name, content.error());
  }
  if (auto good = check_project_dir(settings); !good) return good;
  if (!settings.tls_certificate.empty()) {
    const auto tls = net::server_tls_context(settings.tls_certificate, settings.tls_key);
    if (!tls) return wrong("server.tls_certificate, server.tls_key", tls.error());
  }
  const auto& store = settings.store;
  if (const auto tls = net::client_tls_context(store.ca_file, store.certificate, store.key); !tls)
    return wrong("store.ca_file, store.certificate, store.key", tls.error());
  for (const auto& [name, path] :
       {std::pair{"discord.ca_file", std::filesystem::path(settings.discord_ca_file)},
        std::pair{"cluster.ca_file", settings.cluster.ca_file}}) {
    if (const auto tls = net::client_tls_context(path); !tls) return wrong(name, tls.error());
  }
  return {};
}

std::filesystem::path default_state_dir() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read before any thread starts
    return value == nullptr ? "" : value;
  };
  if (const auto state = variable("XDG_STATE_HOME"); state.is_absolute()) return state / "smaster";
  if (const auto home = variable("HOME"); home.is_absolute()) return home / ".local/state/smaster";
  return "/var/lib/smaster";
}

}  // namespace smaster::server
