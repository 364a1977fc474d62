// Common parts of all commands: flags, error reports, exit codes and output.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/client.hpp"
#include "control/render.hpp"

namespace smaster::tools {

/// Exit codes, most of them as in sysexits.h.
enum ExitCode : int {
  kDone = 0,
  kPartly = 1,
  kUsage = 64,
  kBadData = 65,
  kUnavailable = 69,
  kInternal = 70,
  kCannotCreate = 73,
  kTimedOut = 75,
  kNotPermitted = 77,
  kBadConfig = 78,
};

[[nodiscard]] int exit_code(ErrorKind kind);

/// Adds a flag that takes a duration such as "30s" and stores milliseconds.
[[nodiscard]] CLI::Option* add_duration(CLI::App& app, const std::string& flag, Millis& out,
                                        const std::string& help);

/// A command: its flags and its work.
class Tool {
 public:
  /// `name`: as in `smaster NAME`. `summary`: one line. `examples`: two, shown at the end of --help.
  Tool(const std::string& name, const std::string& summary, const std::string& examples);

  CLI::App app;
  /// Adds --socket and --timeout, for commands that use the server.
  void add_client_flags(Millis timeout);
  [[nodiscard]] control::Client client() const { return {socket, timeout}; }
  std::string socket;
  Millis timeout{};

  /// Parses the flags, runs `work`, and returns the exit code; exceptions are reported as errors.
  int run(int argc, char** argv, const std::function<int()>& work);
  /// Adds --yes, for commands that may do harm: they call `confirm` unless it was given.
  void add_yes_flag();
  bool yes = false;
  /// Says on the terminal what is about to happen, and asks whether to go on. nullopt: go on. Otherwise the
  /// exit code to end with: the answer was no, or without a terminal nobody can be asked.
  [[nodiscard]] std::optional<int> confirm(const std::string& what) const;
  /// Prints the error on stderr, and returns its exit code.
  int report(const Error& error) const;

 private:
  [[nodiscard]] std::string suggestion() const;

  std::string name_;
};

/// The present unix time in milliseconds.
[[nodiscard]] std::int64_t now_ms();
/// Formats milliseconds: "2.5 s".
[[nodiscard]] std::string seconds(std::int64_t ms);
using control::local_time;

// All output of a command must use these functions: much of it comes from shards, and could contain control
// characters for the terminal (base/outlet.hpp). If the reader closes stdout, the process ends without an
// error.

/// Prints data unchanged; on a terminal without control characters.
void print(std::string_view text);
/// Prints JSON unchanged; on a terminal with control characters escaped.
void print_json(std::string_view text);
/// Prints a line for people; adds the newline.
void print_line(std::string_view text);
/// Prints text of control::render, whose cells are already escaped and which contains colours.
void print_styled(std::string_view text);
/// Prints a line for people on stderr.
void say(std::string_view text);

/// GETs a JSON object from the server.
[[nodiscard]] Result<boost::json::object> fetch(const control::Client& client, const std::string& target);

/// A shard's statuses since then, in unix milliseconds; none if they cannot be had.
[[nodiscard]] boost::json::array fetch_history(const control::Client& client, const std::string& name,
                                               std::int64_t since_ms);

/// Reads a whole file, or stdin for "-".
[[nodiscard]] Result<std::string> read_input(const std::string& path);

/// What the label of a host is made of; is_label tells whether a text is one.
inline constexpr const char* kLabelRule =
    "a label has up to 64 letters, digits, dots, dashes and underscores";
[[nodiscard]] bool is_label(std::string_view text);

/// A shard's id or name as a parameter of the control API: "id=7" or "name=abc". Errors: usage.
[[nodiscard]] Result<std::string> shard_parameter(const std::string& shard);

/// Validates lists of shard ids.
[[nodiscard]] CLI::Validator shard_ids();

/// Adds --shard, which accepts "3", "0-15" or "0-15,20" and may be repeated. Use parse_ids on the result.
void add_shard_flag(CLI::App& app, std::vector<std::string>& out);
[[nodiscard]] std::vector<std::int64_t> parse_ids(const std::vector<std::string>& texts);

/// The flags that select shards: --shard, --guild, --host, --where; without any: all shards.
struct AddressFlags {
  std::vector<std::string> shards;
  std::optional<std::string> guild;
  std::optional<std::string> host;
  std::optional<std::string> where;

  void add_to(CLI::App& app);
  /// True if one of the flags was given.
  [[nodiscard]] bool given() const { return !shards.empty() || guild || host || where; }
  /// The selection in the form of the control API.
  [[nodiscard]] boost::json::object request() const;
};

}  // namespace smaster::tools
