// Another program, run without a shell: its input, its output line by line, its end, and an end put to it
// when it takes too long.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"

namespace smaster::net {

struct Program {
  std::vector<std::string> command;        ///< its name, looked for in PATH, and its arguments
  std::map<std::string, std::string> env;  ///< beside this process's own, and before it
  std::string input;                       ///< for its stdin
  std::filesystem::path folder;            ///< where it runs; empty: where this process does
  Millis timeout{30'000};  ///< then it gets SIGTERM, with all that it started, and SIGKILL soon after
};

/// How a program ended.
struct Ended {
  int exit_code = 0;
  int signal = 0;  ///< that ended it; 0: none
  bool timed_out = false;

  [[nodiscard]] bool ok() const { return exit_code == 0 && signal == 0 && !timed_out; }
  /// "exit code 3", "signal 9", "stopped after 30s".
  [[nodiscard]] std::string text(const Program& program) const;
};

enum class Output { out, err };
/// A line of its output, without its end; at most 64 KiB at once.
using OnLine = std::function<void(Output, std::string_view line)>;

/// Runs it. cannot_create when it cannot be started. What it leaves running in the background is not waited
/// for.
Task<Result<Ended>> run_program(asio::io_context& context, Program program, OnLine on_line);

}  // namespace smaster::net
