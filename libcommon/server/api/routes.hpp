// The control API's handlers outside of control_api.cpp.
#pragma once

#include "server/api/control_api.hpp"

namespace smaster::server {

// shard_routes.cpp: the registry and the master's keys
net::Task<control::Answer> post_import(ControlContext context, control::Call call);
net::Task<control::Answer> post_import_history(ControlContext context, control::Call call);
net::Task<control::Answer> post_import_key(ControlContext context, control::Call call);
net::Task<control::Answer> get_rotation(ControlContext context, control::Call call);
net::Task<control::Answer> post_rotation(ControlContext context, control::Call call);
net::Task<control::Answer> delete_shards(ControlContext context, control::Call call);

// join_routes.cpp: tokens for new hosts
net::Task<control::Answer> get_join_tokens(ControlContext context, control::Call call);
net::Task<control::Answer> post_join_token(ControlContext context, control::Call call);
net::Task<control::Answer> delete_join_token(ControlContext context, control::Call call);

// command_routes.cpp
net::Task<control::Answer> post_reboot(ControlContext context, control::Call call);
net::Task<control::Answer> post_undrain(ControlContext context, control::Call call);
net::Task<control::Answer> post_logs(ControlContext context, control::Call call);
net::Task<control::Answer> post_sql(ControlContext context, control::Call call);
control::Answer post_update(ControlContext& context, const control::Call& call);
control::Answer get_log_level(ControlContext& context, const control::Call& call);
control::Answer post_log_level(ControlContext& context, const control::Call& call);

// event_routes.cpp
control::Answer get_events(ControlContext& context, const control::Call& call);
/// Records that somebody asked for something. `text`: what, and what became of it.
void audit(const ControlContext& context, const std::string& by, fleet::EventKind kind, std::string text);

// alert_routes.cpp
control::Answer get_alerts(ControlContext& context, const control::Call& call);
net::Task<control::Answer> post_silence(ControlContext context, control::Call call);
net::Task<control::Answer> delete_silence(ControlContext context, control::Call call);

// file_routes.cpp
net::Task<control::Answer> get_file(ControlContext context, control::Call call);
net::Task<control::Answer> put_file(ControlContext context, control::Call call);
net::Task<control::Answer> delete_file(ControlContext context, control::Call call);
net::Task<control::Answer> post_push(ControlContext context, control::Call call);
net::Task<control::Answer> post_fetch(ControlContext context, control::Call call);

// member_routes.cpp: clusters
net::Task<control::Answer> get_members(ControlContext context, control::Call call);
net::Task<control::Answer> post_step_down(ControlContext context, control::Call call);
// check_routes.cpp
net::Task<control::Answer> get_checks(ControlContext context, control::Call call);

/// True for requests that every server answers itself, even while another one leads.
[[nodiscard]] bool is_local(std::string_view path);

}  // namespace smaster::server
