#include "agent/joining/unit.hpp"

#include <algorithm>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "net/program.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;

constexpr const char* kUsualFolder = "/etc/smaster/shards";

std::string unit_name(const std::string& instance) { return "smaster-agent@" + instance + ".service"; }

net::Task<> run_into(asio::io_context& context, net::Program program, net::OnLine on_line,
                     Result<net::Ended>& ended) {
  ended = co_await net::run_program(context, std::move(program), std::move(on_line));
}

/// Runs systemctl; returns the lines of its standard output.
Result<std::vector<std::string>> systemctl(std::vector<std::string> words) {
  net::Program program;
  program.command = {"systemctl"};
  program.command.insert(program.command.end(), words.begin(), words.end());
  std::vector<std::string> lines;
  std::string complaint;
  net::OnLine on_line = [&](net::Output from, std::string_view line) {
    if (from == net::Output::out) lines.emplace_back(line);
    if (from == net::Output::err) complaint = line;
  };
  Result<net::Ended> ended = fail(ErrorKind::internal, "it was not run");
  asio::io_context context{1};
  net::TaskScope tasks(context.get_executor(), "systemctl");
  tasks.spawn("run", run_into(context, program, on_line, ended));
  context.run();
  if (!ended) return fail(ErrorKind::unavailable, "systemctl cannot be run: " + ended.error().message);
  if (!ended->ok()) {
    return fail(ErrorKind::unavailable, "\"systemctl " + words.front() + "\" failed: " +
                                            (complaint.empty() ? ended->text(program) : complaint));
  }
  return lines;
}

/// A text in which systemd finds no specifiers.
std::string plain(const std::string& text) {
  std::string plain;
  for (const char c : text) plain += c == '%' ? "%%" : std::string(1, c);
  return plain;
}

/// A quoted word of a setting, see "QUOTING" in systemd.syntax(7).
std::string quoted(const std::string& word) {
  std::string text = "\"";
  for (const char c : plain(word)) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

/// A word of ExecStart, see "COMMAND LINES" in systemd.service(5).
std::string argument(const std::string& word) {
  std::string text;
  for (const char c : quoted(word)) text += c == '$' ? "$$" : std::string(1, c);
  return text;
}

}  // namespace

Result<InstalledUnit> look_at_unit() {
  const auto shown = systemctl({"show", "--property=LoadState", "--property=User", unit_name("join")});
  if (!shown) {
    return fail(
        shown.error().kind,
        shown.error().message + "; join without --systemd, and have this machine start the agent in its way");
  }
  InstalledUnit unit;
  for (const auto& line : *shown) {
    if (line.starts_with("User=")) unit.user = line.substr(5);
    if (line.starts_with("LoadState=") && line != "LoadState=loaded") {
      return fail(
          ErrorKind::unavailable,
          "systemd does not know smaster-agent@.service; install smaster's package on this host, or join "
          "without --systemd");
    }
  }
  return unit;
}

Result<std::string> drop_in(const UnitCommand& unit) {
  std::vector<std::string> words = unit.agent;
  words.insert(words.end(), unit.command.begin(), unit.command.end());
  words.push_back(unit.folder.string());
  words.push_back(unit.config.string());
  for (const auto& word : words) {
    const bool bad =
        std::any_of(word.begin(), word.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
    if (bad)
      return fail(ErrorKind::bad_data, "a word of the command has a control character: put it into a script");
  }
  std::string text =
      "# Written by \"smaster join\". Flags for all agents of this host: AGENT_FLAGS in "
      "/etc/smaster/agent.env.\n"
      "[Service]\nEnvironmentFile=\nEnvironmentFile=-/etc/smaster/agent.env\n";
  // "-": the bot's user may not be able to enter it.
  text += "WorkingDirectory=-" + plain(unit.folder.string()) + '\n';
  if (const auto folder = unit.config.parent_path(); folder != kUsualFolder) {
    text += "ReadWritePaths=" + quoted(folder.string()) + '\n';
  }
  text += "ExecStart=\nExecStart=";
  for (const auto& word : unit.agent) text += argument(word) + ' ';
  text += "--config " + argument(unit.config.string()) + " $AGENT_FLAGS --";
  for (const auto& word : unit.command) text += ' ' + argument(word);
  return text + '\n';
}

Result<void> enable_unit(const ShardName& name, const std::filesystem::path& folder,
                         const std::string& text) {
  const auto unit = unit_name(name.str());
  const auto below = folder / (unit + ".d");
  std::error_code error;
  std::filesystem::create_directories(below, error);
  if (error) return fail(ErrorKind::cannot_create, below.string() + " cannot be created: " + error.message());
  if (auto written = write_file(below / "join.conf", text, 0644, IfExists::replace); !written) return written;
  const std::vector<std::vector<std::string>> steps{{"daemon-reload"}, {"enable", "--now", unit}};
  for (const auto& step : steps) {
    if (const auto done = systemctl(step); !done) {
      return fail(done.error().kind, done.error().message +
                                         "; when it is repaired: systemctl daemon-reload && "
                                         "systemctl enable --now " +
                                         unit);
    }
  }
  return {};
}

}  // namespace smaster::agent
