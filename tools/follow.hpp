// Shows a change of the fleet: the plan as a table, then the progress.
#pragma once

#include <boost/json/object.hpp>

#include "tool.hpp"

namespace smaster::tools {

/// Common flags of commands that change the fleet.
struct ChangeFlags {
  bool dry_run = false;
  bool wait = false;
  bool as_json = false;
  bool plan_shown = false;  ///< by an earlier call
  void add_to(Tool& tool);
};

/// Sends the request, prints the response, and returns the exit code. `request`: the change.
[[nodiscard]] int follow_change(const Tool& tool, const std::string& path, boost::json::object request,
                                const ChangeFlags& flags);

/// The same for a change that may do harm: shows its plan first and asks `question`, unless --yes was given.
[[nodiscard]] int follow_asked(const Tool& tool, const std::string& path, const boost::json::object& request,
                               ChangeFlags flags, const std::string& question);

}  // namespace smaster::tools
