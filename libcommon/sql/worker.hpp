// The worker process: connects to the database, gives up all rights that statements do not need, and runs
// them one after the other. It is started by the server, and trusted with nothing but the database.
#pragma once

namespace smaster::sql {

/// The descriptor on which the server's frames come and the answers go.
inline constexpr int kWorkerChannel = 3;

/// Until the server ends, or the connection does. Returns the exit code.
int run_worker();

}  // namespace smaster::sql
