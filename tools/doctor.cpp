// smaster doctor: looks for what is wrong with the server, its machine, the hosts and the settings.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "checks/machine.hpp"
#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
using checks::Check;
using checks::Finding;
using checks::Verdict;

constexpr const char* kUsualConfig = "/etc/smaster/smaster.toml";

/// The process that listens on the socket, by the kernel's word; −1: unknown.
pid_t listener(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  path.copy(address.sun_path, path.size());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  ucred process{};
  socklen_t size = sizeof process;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &process, &size) == 0 ? process.pid : -1;
}

/// Why a server that has the socket does not answer, and what to do.
void look_at_silent(Check& check, const std::string& socket, const std::string& error) {
  const auto pid = listener(socket);
  const auto process = "/proc/" + std::to_string(pid);
  const auto stat = pid > 1 ? read_file(process + "/stat") : Result<std::string>(std::string());
  const auto name_end = stat ? stat->rfind(')') : std::string::npos;
  const char state =
      name_end != std::string::npos && name_end + 2 < stat->size() ? (*stat)[name_end + 2] : '?';
  const auto who = error + ": process " + std::to_string(pid);
  if (state == 'T' || state == 't') {
    check.fail(who + " is stopped by a signal or a debugger", "kill -CONT " + std::to_string(pid));
  } else if (state == 'D') {
    check.fail(who + " waits for a disk", "look at the disk: dmesg, and df " + process + "/cwd");
  } else if (state == '?') {
    check.fail(error,
               "look at the server's process: systemctl status smaster; then systemctl restart smaster");
  } else {
    check.fail(who + (state == 'R' ? " is busy" : " sleeps"),
               "look at it: top -H -p " + std::to_string(pid) + "; then systemctl restart smaster");
  }
}

Finding look_at_server(const tools::Tool& tool, const Result<boost::json::object>& answer) {
  Check check("server");
  if (!answer) {
    const auto& [kind, sentence] = answer.error();
    if (kind == ErrorKind::timed_out) {
      look_at_silent(check, tool.socket, sentence);
    } else if (kind == ErrorKind::not_permitted) {
      check.fail(sentence, "run smaster doctor as root, or as a member of server.control_group");
    } else if (kind == ErrorKind::not_found) {
      check.fail("the running server is older than this command: " + sentence,
                 "smaster reboot --master replaces it by the installed one");
    } else if (sentence.find("no server leads") != std::string::npos) {
      check.fail(sentence,
                 "look at the store that the servers share: etcdctl endpoint health, or the database");
    } else {
      check.fail(sentence, "systemctl status smaster, and its last lines: journalctl -u smaster -n 50");
    }
  }
  return check.finding("it answers on " + tool.socket);
}

/// What can be checked without a server.
std::vector<Finding> look_at_machine(std::string file, bool usual) {
  std::error_code ignored;
  if (usual && !std::filesystem::exists(file, ignored)) file.clear();
  server::Settings settings;
  settings.state_dir = server::default_state_dir();
  if (!file.empty()) {
    auto read = checks::read_settings(file, settings);
    if (!read) return {checks::check_settings_file(file)};  // without them it is not known where all is
    settings = std::move(*read);
  }
  const auto now = std::chrono::floor<Millis>(std::chrono::system_clock::now());
  return checks::check_machine(settings, file, now);
}

std::vector<Finding> read_findings(const boost::json::object& answer) {
  std::vector<Finding> findings;
  const auto* const list = answer.if_contains("findings");
  if (list == nullptr || !list->is_array()) return findings;
  for (const auto& element : list->get_array()) {
    auto finding = element.is_object() ? checks::read_finding(element.get_object()) : std::nullopt;
    if (finding) findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("doctor", "Find what is wrong with server, hosts and settings, and what to do",
                   "  smaster doctor\n  smaster doctor --json | jq 'select(.verdict == \"failed\")'");
  std::string config = kUsualConfig;
  bool as_json = false;
  auto* const config_flag = tool.app.add_option("--config", config, "Settings to check if no server answers")
                                ->type_name("FILE")
                                ->capture_default_str();
  tool.app.add_flag("--json", as_json, "Print a JSON object for each check");
  tool.add_client_flags(Millis{10'000});

  return tool.run(argc, argv, [&] {
    const auto answer = tools::fetch(tool.client(), "/v1/checks");
    std::vector<Finding> findings{look_at_server(tool, answer)};
    for (auto& finding :
         answer ? read_findings(*answer) : look_at_machine(config, config_flag->count() == 0)) {
      checks::add(findings, std::move(finding));
    }
    std::string version = SMASTER_VERSION;
    if (answer) json::read(*answer, "version", version);
    if (version != SMASTER_VERSION) {
      Check check("versions");
      check.warn("the running server is " + version + ", these commands are " SMASTER_VERSION,
                 "smaster reboot --master");
      checks::add(findings, check.finding({}));
    }
    std::stable_sort(findings.begin(), findings.end(),
                     [](const Finding& a, const Finding& b) { return a.verdict > b.verdict; });
    for (const auto& finding : findings) {
      as_json ? tools::print_json(json::serialize(checks::to_json(finding)) + '\n')
              : tools::print_line(checks::to_line(finding));
    }
    const bool failed = !findings.empty() && findings.front().verdict == Verdict::failed;
    return static_cast<int>(failed ? tools::kPartly : tools::kDone);
  });
}
