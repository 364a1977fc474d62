// The rows of events in a database of ours, SQLite or PostgreSQL, in a table `(id, kind, audit, shard, ids,
// event)`. They throw SOCI's exceptions. `table` is a name of ours.
#pragma once

#include <string>
#include <vector>

#include "records/event.hpp"

namespace soci {
class session;
}

namespace smaster::store {

/// The statement that creates the table if it is missing.
[[nodiscard]] std::string events_table(const std::string& table);
[[nodiscard]] std::vector<fleet::Event> select_events(soci::session& sql, const std::string& table,
                                                      const fleet::EventQuery& query);
void insert_events(soci::session& sql, const std::string& table, const std::vector<fleet::Event>& events);
/// Deletes those before `oldest`, and all but the newest `most`.
void delete_events(soci::session& sql, const std::string& table, Time oldest, std::size_t most);

}  // namespace smaster::store
