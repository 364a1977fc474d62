// What the control API's handlers share: reading a request's body, and answering.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/stream.hpp"

namespace smaster::server {

[[nodiscard]] control::Reply json_reply(const boost::json::value& value);
[[nodiscard]] control::Reply usage(std::string sentence);

/// The body as an object; none is an empty one, anything else an error.
[[nodiscard]] Result<boost::json::object> body_object(const control::Call& call);

/// The number of milliseconds at `key`, up to a day.
[[nodiscard]] Result<Millis> milliseconds(const boost::json::object& body, std::string_view key,
                                          Millis otherwise);

[[nodiscard]] boost::json::value name_value(const std::optional<ShardName>& name);

}  // namespace smaster::server
