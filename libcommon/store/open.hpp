// Opens stores by their addresses.
#pragma once

#include <memory>
#include <string>

#include "store/election.hpp"
#include "store/store.hpp"

namespace smaster::store {

/// File name of the server's own SQLite store in its state_dir.
inline constexpr const char* kStoreFile = "smaster.db";

/// Settings of a store connection, beside its address.
struct StoreOptions {
  std::string ca_file;      ///< additional certificate authorities, PEM; empty: only the system's
  std::string certificate;  ///< client certificate, PEM; empty: none
  std::string key;
  Millis lease{5'000};
};

/// A store shared by several servers, and its leader election.
struct SharedStore {
  std::unique_ptr<Store> store;
  std::unique_ptr<Election> election;
};

/// Checks an address: "etcd://…", "etcds://…" or "postgresql://…". Errors: bad_config, with a sentence that
/// continues the setting's name and does not contain the password.
[[nodiscard]] Result<void> check_url(const std::string& url);

/// Opens a shared store; connects on first use. Errors: bad_config for an invalid address or unreadable
/// certificates.
[[nodiscard]] Result<SharedStore> open_shared(const std::string& url, const StoreOptions& options);

/// Opens a database for the history, "postgresql://…"; connects on first use.
[[nodiscard]] Result<std::unique_ptr<HistoryStore>> open_history(const std::string& url);

}  // namespace smaster::store
