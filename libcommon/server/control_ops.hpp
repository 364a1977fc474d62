// The control API's requests for operating a fleet: reboots, SQL, files, updates, logging.
#pragma once

#include "server/control_api.hpp"

namespace smaster::server {

control::Answer post_reboot(ControlContext& context, const control::Call& call);
net::Task<control::Answer> post_sql(ControlContext context, control::Call call);

}  // namespace smaster::server
