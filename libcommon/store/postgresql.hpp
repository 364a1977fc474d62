// PostgreSQL as the store that servers share: tables smaster_shards, smaster_notes, smaster_leader,
// smaster_members and smaster_history, made when they are missing. Leases run by the database's clock.
#pragma once

#include "store/open.hpp"

namespace smaster::store {

/// bad_config when libpq does not take the address.
[[nodiscard]] Result<void> check_postgresql_url(const std::string& url);
[[nodiscard]] SharedStore open_postgresql(const std::string& url, Millis lease);
[[nodiscard]] std::unique_ptr<HistoryStore> open_postgresql_history(const std::string& url);

}  // namespace smaster::store
