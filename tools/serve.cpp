// smaster serve: runs the server in the foreground.
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "log/log.hpp"
#include "server/process/serve.hpp"
#include "settings/containment.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

/// Settings of the command line; they override the file.
struct Flags {
  std::string config;
  std::optional<std::uint16_t> port;
  std::optional<std::string> address;
  std::optional<std::string> path;
  std::string socket;
  std::optional<std::string> log_level;
  std::optional<std::string> log_format;
};

/// `again`: for a running server. An empty file is then one that is being written: its defaults would be
/// another fleet.
Result<server::Settings> read_settings(const Flags& flags, bool again) {
  server::Settings defaults;
  defaults.state_dir = server::default_state_dir();
  defaults.control_socket = control::default_socket();
  auto settings = Result<server::Settings>(std::move(defaults));
  if (!flags.config.empty()) {
    const auto text = read_file(flags.config);
    if (!text) return fail(ErrorKind::bad_config, text.error().message);
    if (again && text->empty()) {
      return fail(ErrorKind::bad_config, flags.config + " is empty, as while it is being written");
    }
    settings = server::parse_settings(*text, flags.config, std::move(*settings));
  }
  if (!settings) return settings;
  if (flags.port) settings->port = *flags.port;
  if (flags.address) settings->address = *flags.address;
  if (flags.path) settings->path = *flags.path;
  if (!flags.socket.empty()) settings->control_socket = flags.socket;
  if (flags.log_level) settings->log_level = *flags.log_level;
  if (flags.log_format) settings->log_format = *log::parse_format(*flags.log_format);
  if (auto good = server::check_project_dir(*settings); !good) return good.error();
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("serve", "Run the server in the foreground",
                   "  smaster serve --config /etc/smaster/smaster.toml\n  smaster serve --port 9000 --socket "
                   "./control.sock");
  Flags flags;
  tool.app
      .add_option("--config", flags.config, "Settings in TOML, see smaster.toml(5); read again on SIGHUP")
      ->type_name("FILE");
  tool.app.add_option("--port", flags.port, "Port for shards; 0 takes a free one (default: 8024)")
      ->type_name("PORT");
  tool.app.add_option("--address", flags.address, "IP address for shards (default: 127.0.0.1)")
      ->type_name("IP");
  tool.app
      .add_option("--path", flags.path, "Prefix of the URLs that shards connect to (default: /socket.io/)")
      ->type_name("PATH")
      ->check(CLI::Validator(
          [](std::string& text) {
            return text.starts_with('/') && text.ends_with('/') ? ""
                                                                : "takes a path that begins and ends with /";
          },
          ""));
  tool.app
      .add_option("--socket", flags.socket,
                  "The control socket to make (default: $SMASTER_SOCKET or the usual place)")
      ->type_name("PATH");
  tool.app.add_option("--log-level", flags.log_level, "How much to log (default: info)")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  tool.app
      .add_option("--log-format", flags.log_format, "text, or json for a JSON object a line (default: text)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}));

  // Remember the path, not the open file: a restart then runs a newly installed version.
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown).string();

  return tool.run(argc, argv, [&] {
    auto settings = read_settings(flags, false);
    if (!settings) return tool.report(settings.error());
    log::set_up(settings->log_format, *log::parse_level(settings->log_level));
    server::ServeOptions options{std::move(*settings), flags.config,
                                 [&flags] { return read_settings(flags, true); }};
    auto served = server::serve(std::move(options));
    if (!served) return tool.report(served.error());
    if (!served->restart) return static_cast<int>(tools::kDone);
    server::exec_with_sockets(program, argv, std::move(*served->restart));
    return tool.report(fail(ErrorKind::internal, "cannot start " + program + ": " + std::strerror(errno)));
  });
}
