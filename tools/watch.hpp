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
  std::string socket;  ///< the server's, for the commands that the view runs
  Millis pause;        ///< between two requests
  std::string sort;    ///< a key of control::sort_keys()
  bool reverse = false;
};

/// Shows the result of `fetch` and does what the user's keys ask for (watch/view.hpp), until the user quits
/// or a signal arrives; then restores the terminal. Returns an error only if the first request fails.
[[nodiscard]] Result<void> watch(const control::Client& client,
                                 const std::function<Result<boost::json::object>()>& fetch,
                                 const WatchOptions& options);

}  // namespace smaster::tools
