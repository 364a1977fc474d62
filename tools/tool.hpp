// What every command shares: its common flags, how errors become sentences and exit codes, and output.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/client.hpp"

namespace smaster::tools {

/// Exit codes, after sysexits.h.
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

/// Checks a duration such as "30s" for CLI11 and turns it into milliseconds.
[[nodiscard]] CLI::Option* add_duration(CLI::App& app, const std::string& flag, Millis& out,
                                        const std::string& help);

/// A command: its flags, its work.
class Tool {
 public:
  /// `name`: as in `smaster NAME`. `summary`: one line saying what it does. `examples`: two, for the end of
  /// --help.
  Tool(const std::string& name, const std::string& summary, const std::string& examples);

  CLI::App app;
  /// Adds --socket and --timeout, for commands that talk to the server.
  void add_client_flags(Millis timeout);
  [[nodiscard]] control::Client client() const { return {socket, timeout}; }
  std::string socket;
  Millis timeout{};

  /// Parses, runs `work`, and turns what it returns, or throws, into the exit code.
  int run(int argc, char** argv, const std::function<int()>& work);
  /// Says what went wrong, on stderr, and returns its exit code.
  int report(const Error& error) const;

 private:
  [[nodiscard]] std::string suggestion() const;

  std::string name_;
};

/// "2.5 s".
[[nodiscard]] std::string seconds(std::int64_t ms);

// What a command writes goes through these, and nothing else, to stdout and stderr: much of it comes from
// shards, and a terminal obeys some characters (base/outlet.hpp). Who reads stdout away ends the process
// quietly.

/// Data for programs, as it is; on a terminal with nothing in it that one would obey.
void print(std::string_view text);
/// JSON, as it is; on a terminal the same value.
void print_json(std::string_view text);
/// A line for people, to which the end of the line is added.
void print_line(std::string_view text);
/// Text that control::render made, in which each cell is harmless and the colours are ours.
void print_styled(std::string_view text);
/// A line for people on stderr.
void say(std::string_view text);

/// GETs a JSON object from the server.
[[nodiscard]] Result<boost::json::object> fetch(const control::Client& client, const std::string& target);

/// The whole of a file, or of stdin for "-".
[[nodiscard]] Result<std::string> read_input(const std::string& path);

/// Checks lists of shard ids.
[[nodiscard]] CLI::Validator shard_ids();

/// Adds --shard, which takes "3", "0-15" or "0-15,20" and may be repeated; parse_ids makes ids of it.
void add_shard_flag(CLI::App& app, std::vector<std::string>& out);
[[nodiscard]] std::vector<std::int64_t> parse_ids(const std::vector<std::string>& texts);

/// The flags that say which shards: --shard, --guild, --host, --where; all without them.
struct AddressFlags {
  std::vector<std::string> shards;
  std::optional<std::string> guild;
  std::optional<std::string> host;
  std::optional<std::string> where;

  void add_to(CLI::App& app);
  /// Whether any is given.
  [[nodiscard]] bool given() const { return !shards.empty() || guild || host || where; }
  /// As the control API takes them.
  [[nodiscard]] boost::json::object request() const;
};

}  // namespace smaster::tools
