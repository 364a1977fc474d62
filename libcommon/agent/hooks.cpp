#include "agent/hooks.hpp"

#include <algorithm>
#include <system_error>

namespace smaster::agent {
namespace {

/// NODE_OPTIONS' own quoting (Node.js, "NODE_OPTIONS=options..."): within double quotes a backslash keeps `"`
/// and `\`.
std::string quoted(const std::string& path) {
  std::string text = "\"";
  for (const char c : path) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + '"';
}

/// The value of the last `name`, as getenv would find in a list where later ones replace earlier ones.
std::string take(std::vector<std::string>& environment, const std::string& name) {
  std::string value;
  const auto is_it = [&](const std::string& variable) { return variable.starts_with(name + '='); };
  for (const auto& variable : environment) {
    if (is_it(variable)) value = variable.substr(name.size() + 1);
  }
  std::erase_if(environment, is_it);
  return value;
}

}  // namespace

std::filesystem::path hooks_folder() {
  std::error_code error;
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "hooks";
  return std::filesystem::exists(folder / "node.js", error) ? folder : std::filesystem::path();
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
