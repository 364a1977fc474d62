// smaster config: checks a settings file, and shows the running server's settings.
#include <boost/json/object.hpp>

#include "base/toml.hpp"
#include "json/json.hpp"
#include "settings/settings.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

/// Parses a file like `smaster serve --config`, and checks that the files it names exist.
Result<void> check(const std::string& file) {
  const auto text = tools::read_input(file);
  if (!text) return fail(ErrorKind::bad_config, text.error().message);
  const auto settings = server::parse_settings(*text, file, {});
  if (!settings) return settings.error();
  const auto files = server::check_files(*settings);
  return files ? files : fail(files.error().kind, file + ": " + files.error().message);
}

/// The settings in TOML; unset and secret ones are comments.
std::string as_toml(const boost::json::object& sections) {
  std::string text;
  for (const auto& [section, settings] : sections) {
    text += (text.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    for (const auto& [key, value] : settings.as_object()) {
      if (value.is_null()) {
        text += "# " + std::string(key) + " is not set\n";
      } else if (value.is_string() && value.get_string() == server::kSecretText) {
        text += "# " + std::string(key) + " is not shown\n";
      } else {
        text += std::string(key) + " = " + json_as_toml(json::serialize(value)) + '\n';
      }
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("config", "Check a settings file, or show the running server's settings",
                   "  smaster config check new.toml && mv new.toml /etc/smaster/smaster.toml\n"
                   "  smaster config show --json | jq .heartbeat");
  std::string file = "/etc/smaster/smaster.toml";
  bool as_json = false;
  tool.app.require_subcommand(1);
  tool.app.fallthrough();
  auto* const check_command =
      tool.app.add_subcommand("check", "Say what is wrong in a file, with line and column");
  check_command->add_option("FILE", file, "The file, or - for stdin")->capture_default_str();
  tool.app.add_subcommand("show", "Print all settings that the running server has, as TOML");
  tool.app.add_flag("--json", as_json, "Print JSON");
  tool.add_client_flags(Millis{5'000});

  return tool.run(argc, argv, [&] {
    if (*check_command) {
      const auto checked = check(file);
      if (!checked) return tool.report(checked.error());
      if (as_json) tools::print_json("{\"file\":" + json::quote(file) + ",\"ok\":true}\n");
      if (!as_json) tools::print_line(file + " is right");
      return static_cast<int>(tools::kDone);
    }
    const auto settings = tools::fetch(tool.client(), "/v1/config");
    if (!settings) return tool.report(settings.error());
    as_json ? tools::print_json(json::serialize(*settings) + '\n') : tools::print(as_toml(*settings));
    return static_cast<int>(tools::kDone);
  });
}
