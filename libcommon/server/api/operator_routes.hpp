// The control API's requests for operating a fleet: reboots, SQL, files, updates, logging.
#pragma once

#include "server/api/control_api.hpp"

namespace smaster::server {

net::Task<control::Answer> post_reboot(ControlContext context, control::Call call);
net::Task<control::Answer> post_sql(ControlContext context, control::Call call);
/// /v1/file?name=NAME of the project directory.
net::Task<control::Answer> get_file(ControlContext context, control::Call call);
net::Task<control::Answer> put_file(ControlContext context, control::Call call);
net::Task<control::Answer> delete_file(ControlContext context, control::Call call);
/// {"name": "…"} and who is addressed; lines {shard, name, error?}.
net::Task<control::Answer> post_push(ControlContext context, control::Call call);
net::Task<control::Answer> post_fetch(ControlContext context, control::Call call);

control::Answer get_log_level(ControlContext& context, const control::Call& call);
control::Answer post_log_level(ControlContext& context, const control::Call& call);
control::Answer post_update(ControlContext& context, const control::Call& call);

}  // namespace smaster::server
