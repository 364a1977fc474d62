// Shared by the control API's handlers: parsing of request bodies, and replies.
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
/// When Wiring::operators_answers has no place left.
[[nodiscard]] control::Reply too_many_answers();

/// The body as an object; an empty body is {}. Errors: usage.
[[nodiscard]] Result<boost::json::object> body_object(const control::Call& call);

/// The number of milliseconds at `key`, from 0 to one day; `otherwise` if it is missing. Errors: usage.
[[nodiscard]] Result<Millis> milliseconds(const boost::json::object& body, std::string_view key,
                                          Millis otherwise);

[[nodiscard]] boost::json::value name_value(const std::optional<ShardName>& name);

}  // namespace smaster::server
