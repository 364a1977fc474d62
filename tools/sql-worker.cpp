// sql-worker: runs SQL statements of shards and operators outside of the server process. Not a command:
// started by smaster serve.
#include "sql/worker.hpp"

int main() { return smaster::sql::run_worker(); }
