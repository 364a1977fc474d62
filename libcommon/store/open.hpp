// Stores by their addresses.
#pragma once

#include <memory>
#include <string>

#include "store/election.hpp"
#include "store/store.hpp"

namespace smaster::store {

/// The server's own store in its state_dir, SQLite.
inline constexpr const char* kStoreFile = "smaster.db";

/// How a store is reached, beside its address.
struct StoreOptions {
  std::string ca_file;      ///< more certificate authorities, PEM; empty: the system's alone
  std::string certificate;  ///< ours, PEM; empty: none
  std::string key;
  Millis lease{5'000};
};

/// A store that servers share, and what they elect their leader by.
struct SharedStore {
  std::unique_ptr<Store> store;
  std::unique_ptr<Election> election;
};

/// bad_config says what is wrong with an address that is no store's: "etcd://…", "etcds://…",
/// "postgresql://…". The sentence goes on from the setting's name, and has no password in it.
[[nodiscard]] Result<void> check_url(const std::string& url);

/// Nothing is connected before it is used; bad_config also for certificates that cannot be read.
[[nodiscard]] Result<SharedStore> open_shared(const std::string& url, const StoreOptions& options);

/// A database for the history, "postgresql://…".
[[nodiscard]] Result<std::unique_ptr<HistoryStore>> open_history(const std::string& url);

}  // namespace smaster::store
