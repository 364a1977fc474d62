#include "settings/kinds.hpp"

#include <utility>

#include "base/text.hpp"
#include "discord/gateway.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "sql/engine.hpp"
#include "store/open.hpp"

namespace smaster::server::kinds {
namespace {

std::string as_toml(const std::string& text) { return json_as_toml(json::quote(text)); }

std::string as_toml(const std::vector<std::string>& values) {
  std::string list;
  for (const auto& value : values) list += (list.empty() ? "" : ", ") + as_toml(value);
  return '[' + list + ']';
}

template <class T>
std::optional<std::string> complaint(const Result<T>& result, const std::string& before = "") {
  return result ? std::nullopt : std::optional(before + result.error().message);
}

std::string variables_text(const std::map<std::string, std::string>& values) {
  std::string list;
  for (const auto& [key, value] : values)
    list += (list.empty() ? "" : ", ") + as_toml(key) + " = " + as_toml(value);
  return '{' + list + '}';
}

}  // namespace

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
              const std::function<std::optional<std::string>(const std::string&)>& check) {
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

Setting address(std::string& out, const std::string& example,
                std::optional<std::string> (*check)(const std::string&)) {
  return {[&out, example, check](const toml::node& node) -> std::optional<std::string> {
            if (!node.is_string()) return "takes an address such as \"" + example + '"';
            out = node.as_string()->get();
            return check(out);
          },
          [&out] { return as_toml(out); }};
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

namespace {
constexpr const char* kWebExample = "https://discord.com/api/webhooks/1/secret";
std::optional<std::string> web_url_complaint(const std::string& text) {
  if (net::parse_http_base(text.substr(0, text.find('?')))) return std::nullopt;
  return std::string("takes addresses such as \"") + kWebExample + '"';
}
}  // namespace

Setting web_url(std::string& out) { return address(out, kWebExample, web_url_complaint); }
Setting web_urls(std::vector<std::string>& out) { return texts(out, web_url_complaint); }

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

}  // namespace smaster::server::kinds
