// Shows a change of the fleet: the plan as a table before, the progress during it.
#pragma once

#include <boost/json/object.hpp>

#include "tool.hpp"

namespace smaster::tools {

/// Asks the server for it, prints what it says, and returns the exit code.
[[nodiscard]] int follow_change(const Tool& tool, const std::string& path, boost::json::object request,
                                bool as_json);

}  // namespace smaster::tools
