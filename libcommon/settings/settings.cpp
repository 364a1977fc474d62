#include "settings/settings.hpp"

#include <cstdlib>
#include <map>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/stream.hpp"
#include "settings/containment.hpp"
#include "settings/kinds.hpp"
#include "sql/engine.hpp"
#include "store/open.hpp"

namespace smaster::server {
namespace {

/// True if a text contains a NUL character. C strings end there, so files, programs and addresses would
/// differ from those in the file.
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

/// True if [database] url is the server's own store, by whichever name.
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
  const auto known_sections = kinds::sections(settings);
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
  if (settings.count_auto && !settings.names_token()) {
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
  for (const auto& [section, table] : kinds::sections(settings)) {
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
  std::string open;  // the open section
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
