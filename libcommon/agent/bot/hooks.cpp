#include "agent/bot/hooks.hpp"

#include <algorithm>
#include <system_error>

#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// Quotes a path for NODE_OPTIONS: within double quotes a backslash escapes `"` and `\`. Source: Node.js,
/// "NODE_OPTIONS=options...".
std::string quoted(const std::string& path) {
  std::string text = "\"";
  for (const char c : path) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

/// Removes all variables `name` and returns the value of the last one, which is the one that counts.
std::string take(std::vector<std::string>& environment, const std::string& name) {
  std::string value;
  const auto is_it = [&](const std::string& variable) { return variable.starts_with(name + '='); };
  for (const auto& variable : environment) {
    if (is_it(variable)) value = variable.substr(name.size() + 1);
  }
  std::erase_if(environment, is_it);
  return value;
}

constexpr std::size_t kMaxLibrary = 64;
constexpr std::size_t kMaxWhy = 200;

std::string text_of(const boost::json::object& object, std::string_view key, std::size_t most) {
  std::string text;
  json::read(object, key, text);
  if (text.size() > most) text.resize(most);
  return text;
}

}  // namespace

std::string Library::words() const {
  return name + (asks ? "" : " (does not ask" + (why.empty() ? "" : ": " + why) + ")");
}

std::optional<Library> read_library(const boost::json::object& hello) {
  Library library{text_of(hello, "library", kMaxLibrary), false, text_of(hello, "why", kMaxWhy)};
  if (library.name.empty()) return std::nullopt;
  json::read(hello, "identify", library.asks);
  return library;
}

std::vector<std::string> survey_command(const std::vector<std::string>& bot,
                                        const std::filesystem::path& folder) {
  const auto program = std::filesystem::path(bot.front()).filename().string();
  const bool node = program == "node" || program == "nodejs";
  if (!node && !program.starts_with("python")) return {};
  const auto script =
      std::find_if(bot.begin() + 1, bot.end(), [](const auto& word) { return !word.starts_with('-'); });
  return {bot.front(), (folder / (node ? "node.js" : "python/smaster_hooks.py")).string(),
          script == bot.end() ? "bot" : *script};
}

std::filesystem::path hooks_folder() {
  std::error_code error;
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "hooks";
  return std::filesystem::exists(folder / "node.js", error) ? folder : std::filesystem::path();
}

bool forbids_hooks(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
  const auto has_flag = [](std::string_view text) {
    return text.find("--permission") != text.npos || text.find("--experimental-permission") != text.npos;
  };
  const auto flag = [&](const std::string& word) { return word.starts_with("--") && has_flag(word); };
  const auto variable = [&](const std::string& each) {
    return each.starts_with("NODE_OPTIONS=") && has_flag(each);
  };
  return std::any_of(command.begin(), command.end(), flag) ||
         std::any_of(environment.begin(), environment.end(), variable);
}

void add_hooks(std::vector<std::string>& environment, const std::filesystem::path& folder) {
  const auto node = take(environment, "NODE_OPTIONS");
  const auto python = take(environment, "PYTHONPATH");
  environment.push_back("NODE_OPTIONS=--require " + quoted((folder / "node.js").string()) +
                        (node.empty() ? "" : ' ' + node));
  environment.push_back("PYTHONPATH=" + (folder / "python").string() + (python.empty() ? "" : ':' + python));
  environment.emplace_back("SMASTER_HOOKS=1");
}

}  // namespace smaster::agent
