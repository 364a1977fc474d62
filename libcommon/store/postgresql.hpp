// PostgreSQL as the shared store: tables smaster_shards, smaster_notes, smaster_leader, smaster_members and
// smaster_history, created if missing. Leases use the database's clock.
#pragma once

#include "store/open.hpp"

namespace smaster::store {

/// Errors: bad_config if libpq rejects the address.
[[nodiscard]] Result<void> check_postgresql_url(const std::string& url);
[[nodiscard]] SharedStore open_postgresql(const std::string& url, Millis lease);
[[nodiscard]] std::unique_ptr<HistoryStore> open_postgresql_history(const std::string& url);

}  // namespace smaster::store
