// Shows a change of the fleet: the plan as a table before, the progress during it.
#pragma once

#include <boost/json/object.hpp>

#include "tool.hpp"

namespace smaster::tools {

/// How a change is asked for.
struct ChangeFlags {
  bool dry_run = false;
  bool wait = false;
  bool as_json = false;
  void add_to(Tool& tool);
};

/// Asks the server for it, prints what it says, and returns the exit code. `request`: what to change.
[[nodiscard]] int follow_change(const Tool& tool, const std::string& path, boost::json::object request,
                                const ChangeFlags& flags);

}  // namespace smaster::tools
