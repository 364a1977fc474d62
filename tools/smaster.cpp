// The dispatcher: `smaster NAME …` runs `smaster-NAME` from its libexec folder, else from PATH, like git.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/outlet.hpp"
#include "nearest.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "smaster-";
constexpr int kUsage = 64;

/// The first lines of the man pages, by group; the topics stand last.
struct HelpLine {
  std::string_view group, name, summary;
};
constexpr std::string_view kTopics = "Topics, for \"smaster help TOPIC\"";
constexpr HelpLine kHelp[] = {
#include "help_list.inc"
};

/// The folders of our own commands: libexec beside an installed `bin/`; in a build tree, the folder of this
/// program.
std::vector<fs::path> own_folders() {
  std::error_code error;
  const auto here = fs::read_symlink("/proc/self/exe", error).parent_path();
  return {here.parent_path() / "libexec/smaster", here};
}

std::vector<fs::path> path_folders() {
  std::vector<fs::path> folders;
  const char* const variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    if (colon != 0) folders.emplace_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return folders;
}

bool runnable(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::set<std::string> commands_in(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const auto& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const auto name = entry.path().filename().string();
      const bool for_people = !name.starts_with("smaster-__");  // the others are for the shells' completions
      if (name.starts_with(kPrefix) && for_people && runnable(entry.path())) {
        names.insert(name.substr(kPrefix.size()));
      }
    }
  }
  return names;
}

int run(const std::string& name, char** argv) {
  if (name.find('/') == std::string::npos) {
    auto folders = own_folders();
    for (auto& folder : path_folders()) folders.push_back(std::move(folder));
    for (const auto& folder : folders) {
      const auto program = folder / (std::string(kPrefix) + name);
      if (!runnable(program)) continue;
      auto shown = "smaster " + name;  // shown by ps and pgrep -f as it was typed
      argv[0] = shown.data();
      ::execv(program.c_str(), argv);
      std::cerr << "smaster: cannot run " << smaster::outlet::terminal(program.string()) << ": "
                << std::strerror(errno) << '\n';
      return 126;
    }
  }
  auto known = commands_in(own_folders());
  known.merge(commands_in(path_folders()));
  const auto suggestion = smaster::tools::did_you_mean(name, known);
  std::cerr << "smaster: there is no command \"" << smaster::outlet::terminal(name) << '"'
            << (suggestion.empty() ? ";" : suggestion) << " \"smaster help\" lists them\n";
  return kUsage;
}

void list(std::ostream& out) {
  out << "smaster runs a fleet of Discord bot shards.\n\nUsage: smaster COMMAND [ARGUMENT …]\n";
  std::string_view group;
  const auto line = [&](const HelpLine& of) {
    if (of.group != group) out << '\n' << (group = of.group) << ":\n";
    out << "  " << of.name << std::string(16 - std::min<std::size_t>(of.name.size(), 15), ' ') << of.summary
        << '\n';
  };
  auto found = commands_in(own_folders());
  found.merge(commands_in(path_folders()));
  for (const auto& of : kHelp) {
    if (of.group == kTopics) {  // what is left is not ours
      for (const auto& name : std::exchange(found, {})) line({"From PATH", name, "a command of yours"});
    } else if (found.erase(std::string(of.name)) == 0) {
      continue;  // a package may have some of them only
    }
    line(of);
  }
  out << "\n\"smaster COMMAND --help\" tells what a command takes, \"man smaster-COMMAND\" the rest.\n";
}

/// Shows a topic's man page; does not return if it can.
int show(std::string_view topic) {
  auto page = std::string(topic == "smaster.toml" ? "" : kPrefix) + std::string(topic);
  ::execlp("man", "man", page.c_str(), static_cast<char*>(nullptr));
  std::cerr << "smaster: cannot run man: " << std::strerror(errno)
            << "; install Debian's package man-db to read " << page << '\n';
  return 69;
}

bool is_topic(std::string_view name) {
  return std::any_of(std::begin(kHelp), std::end(kHelp),
                     [&](const HelpLine& of) { return of.group == kTopics && of.name == name; });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first.empty()) {
    list(std::cerr);
    return kUsage;
  }
  if (first == "--version") {
    std::cout << "smaster " << SMASTER_VERSION << '\n';
    return 0;
  }
  if (first == "help" || first == "--help" || first == "-h") {
    if (first != "help" || argc < 3) {
      list(std::cout);
      return 0;
    }
    if (is_topic(argv[2])) return show(argv[2]);
    std::string help = "--help";
    std::vector<char*> arguments{argv[2], help.data(), nullptr};
    return run(argv[2], arguments.data());
  }
  return run(first, argv + 1);
}
