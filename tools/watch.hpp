// The live view of `smaster stats --watch` on a terminal.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/client.hpp"

namespace smaster::tools {

struct WatchOptions {
  Millis pause;      ///< between two looks at the fleet
  std::string sort;  ///< one of control::sort_keys()
  bool reverse = false;
};

/// Shows what `fetch` gives, with the past of each shard as sparklines, until the user leaves or a signal
/// asks for it; the terminal is then as it was. While the server is away the last view stays, and says so.
/// The error is that of the first look.
[[nodiscard]] Result<void> watch(const control::Client& client,
                                 const std::function<Result<boost::json::object>()>& fetch,
                                 const WatchOptions& options);

}  // namespace smaster::tools
