// sql-worker: runs the statements of shards and operators apart from the server. It is no command: smaster
// serve starts it.
#include "sql/worker.hpp"

int main() { return smaster::sql::run_worker(); }
