// The kinds of settings: how each is read from TOML, and how it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/toml.hpp"
#include "settings/settings.hpp"

namespace smaster::server::kinds {

/// Sets a setting from a node. Returns nullopt, or what the key takes if the node is not valid.
using Set = std::function<std::optional<std::string>(const toml::node&)>;

/// One setting: how it is read, and how it is written.
struct Setting {
  Set set;
  std::function<std::string()> text;  ///< its value as TOML
  bool secret = false;                ///< its value must not be logged
};
using Table = std::map<std::string_view, Setting>;

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

[[nodiscard]] Setting text(std::string& out);
[[nodiscard]] Setting path(std::filesystem::path& out);
[[nodiscard]] Setting yes_no(bool& out);
[[nodiscard]] Setting duration(Millis& out, Millis least);
[[nodiscard]] Setting texts(std::vector<std::string>& out,
                            const std::function<std::optional<std::string>(const std::string&)>& check = {});
[[nodiscard]] Setting one_of(std::string& out, const std::vector<std::string>& choices);
[[nodiscard]] Setting update_style(UpdateStyle& out);
[[nodiscard]] Setting reshard_strategy(std::optional<fleet::Strategy>& out);
[[nodiscard]] Setting url_path(std::string& out);
/// A number of shards, or "auto".
[[nodiscard]] Setting shard_count(Settings& settings, std::int64_t most);
/// An address. `check` returns what is wrong with it, as the rest of a sentence that begins with the
/// setting's name.
[[nodiscard]] Setting address(std::string& out, const std::string& example,
                              std::optional<std::string> (*check)(const std::string&));
[[nodiscard]] Setting api_base(std::string& out);
[[nodiscard]] Setting database_url(std::string& out);
[[nodiscard]] Setting store_url(std::string& out);
[[nodiscard]] Setting history_url(std::string& out);
[[nodiscard]] Setting server_url(std::string& out);
/// The address of a page, http or https; with a path and a query.
[[nodiscard]] Setting web_url(std::string& out);
[[nodiscard]] Setting web_urls(std::vector<std::string>& out);
[[nodiscard]] Setting variables(std::map<std::string, std::string>& out);
[[nodiscard]] Setting access(sql::Access& out);
[[nodiscard]] Setting log_format(log::Format& out);
/// A port on 127.0.0.1, or "ADDRESS:PORT".
[[nodiscard]] Setting listen_on(DashboardSettings& out);
[[nodiscard]] Setting secret(Setting setting);

/// All settings by section (table.cpp), bound to the fields of `settings`.
[[nodiscard]] std::map<std::string_view, Table> sections(Settings& settings);

}  // namespace smaster::server::kinds
