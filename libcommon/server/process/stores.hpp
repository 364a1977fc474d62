// Opens the configured stores.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "settings/settings.hpp"
#include "store/election.hpp"
#include "store/store.hpp"

namespace smaster::server {

/// The open stores. `election` is null without a shared store.
struct Stores {
  std::shared_ptr<store::Store> registry;
  std::shared_ptr<store::HistoryStore> history;
  std::unique_ptr<store::Election> election;
};

/// Blocks. Errors name the setting, or the file.
[[nodiscard]] Result<Stores> open_stores(const Settings& settings);

}  // namespace smaster::server
