// Runs another program without a shell: input, output line by line, exit status, timeout.
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
  std::vector<std::string> command;        ///< its name, searched in PATH, and its arguments
  std::map<std::string, std::string> env;  ///< added to this process' environment; takes precedence
  std::string input;                       ///< written to its stdin
  std::filesystem::path folder;            ///< working directory; empty: this process' own
  Millis timeout{30'000};                  ///< then its process group gets SIGTERM, and SIGKILL soon after
};

/// How a program ended.
struct Ended {
  int exit_code = 0;
  int signal = 0;  ///< the signal that ended it; 0: none
  bool timed_out = false;

  [[nodiscard]] bool ok() const { return exit_code == 0 && signal == 0 && !timed_out; }
  /// "exit code 3", "signal 9", "stopped after 30s".
  [[nodiscard]] std::string text(const Program& program) const;
};

enum class Output { out, err };
/// A line of output without its newline; longer lines are split at 64 KiB.
using OnLine = std::function<void(Output, std::string_view line)>;

/// Runs a program and waits for its end. Errors: bad_config for an empty command or a NUL character,
/// unavailable if descriptors, processes or memory are used up for now, else cannot_create. Throws if
/// cancelled. Background processes of the program are not waited for.
Task<Result<Ended>> run_program(asio::io_context& context, Program program, OnLine on_line);

}  // namespace smaster::net
