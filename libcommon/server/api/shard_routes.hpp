// The control API's requests for the registry: what is taken over from elsewhere, and who is revoked.
#pragma once

#include "server/api/control_api.hpp"

namespace smaster::server {

/// The body: a knownShards.json, a shardStatsHistory.json.
net::Task<control::Answer> post_import(ControlContext context, control::Call call);
net::Task<control::Answer> post_import_history(ControlContext context, control::Call call);
/// The body: a private key in PEM; ?force=1.
net::Task<control::Answer> post_import_key(ControlContext context, control::Call call);
/// The rotation of the master's keys: how far it is; begin it, or with {"finish": true, "force"?} end it.
control::Answer get_rotation(ControlContext& context, const control::Call& call);
net::Task<control::Answer> post_rotation(ControlContext context, control::Call call);
/// ?name=NAME, which may be repeated.
net::Task<control::Answer> delete_shards(ControlContext context, control::Call call);

}  // namespace smaster::server
