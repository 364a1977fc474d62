// The control API's requests about the servers that share a store: /v1/members, /v1/step-down.
#pragma once

#include "server/api/control_api.hpp"

namespace smaster::server {

/// Requests that are about the server that gets them, whoever leads.
[[nodiscard]] bool is_local(std::string_view path);

net::Task<control::Answer> get_members(ControlContext context, control::Call call);
net::Task<control::Answer> post_step_down(ControlContext context, control::Call call);

}  // namespace smaster::server
