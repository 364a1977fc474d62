// What the control API's handlers share: reading a request's body, and answering.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/stream.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {

class Core;

[[nodiscard]] control::Reply json_reply(const boost::json::value& value);
[[nodiscard]] control::Reply usage(std::string sentence);

/// The body as an object; none is an empty one, anything else an error.
[[nodiscard]] Result<boost::json::object> body_object(const control::Call& call);

/// The number of milliseconds at `key`, up to a day.
[[nodiscard]] Result<Millis> milliseconds(const boost::json::object& body, std::string_view key,
                                          Millis otherwise);

/// The shard ids that a request is about: those listed in `shards`, the one that `guild` lives on, those on
/// the host labelled `host`, those whose row of the stats fulfils `where`; what is given is combined. Nothing
/// when none of them is. `body` lives until it returns.
net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(Core& core, const boost::json::object& body);

/// Asks shards, and pushes their answers as `smaster eval` prints them, then {"end": …}. Ends the eval when
/// the reader goes away. Instead of an answer for which there is no room a line says that it was dropped.
void eval_to_lines(Core& core, const std::shared_ptr<control::LineStream>& lines, Question question,
                   const std::vector<ShardId>& ids, Millis timeout);

[[nodiscard]] boost::json::value name_value(const std::optional<ShardName>& name);

}  // namespace smaster::server
