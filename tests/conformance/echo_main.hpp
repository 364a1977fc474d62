// What the two conformance servers share: the settings that the public suites expect, the flags, running.
#pragma once

#include <memory>
#include <string>

#include "net/engineio/application.hpp"

namespace smaster::conformance {

/// Serves sessions made by `make_upper` below `path` until interrupted; returns the exit code. Prints
/// `listening on PORT` when ready.
int serve_echo(int argc, char** argv, const std::string& path, std::unique_ptr<net::Upper> (*make_upper)());

}  // namespace smaster::conformance
