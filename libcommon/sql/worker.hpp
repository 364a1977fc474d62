// The worker process: connects to the database, drops all rights that statements do not need, then runs
// statements one by one. Started by the server, and trusted only with the database.
#pragma once

namespace smaster::sql {

/// The descriptor for the server's frames and the worker's answers.
inline constexpr int kWorkerChannel = 3;

/// Runs until the server or the connection ends. Returns the exit code.
int run_worker();

}  // namespace smaster::sql
