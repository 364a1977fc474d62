#include "server/process/stores.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>

#include "store/open.hpp"

namespace smaster::server {
namespace {

/// If the file is not writable, serve from a copy of it rather than not at all.
Result<std::unique_ptr<store::FileStore>> open_file(const std::filesystem::path& file) {
  auto store = store::open_sqlite(file);
  if (store || ::access(file.c_str(), R_OK) != 0 || store.error().kind != ErrorKind::cannot_create)
    return store;
  auto copy = store::open_copy(file);
  if (!copy) return store;
  spdlog::error("{}; starting with what it has", store.error().message);
  return copy;
}

}  // namespace

Result<Stores> open_stores(const Settings& settings) {
  Stores stores;
  if (settings.store.shared()) {
    auto shared = store::open_shared(settings.store.url,
                                     {settings.store.ca_file.string(), settings.store.certificate.string(),
                                      settings.store.key.string(), settings.store.lease});
    if (!shared) return fail(shared.error().kind, "store.url: " + shared.error().message);
    stores.registry = std::move(shared->store);
    stores.election = std::move(shared->election);
  }
  if (!settings.history_url.empty()) {
    auto history = store::open_history(settings.history_url);
    if (!history) return fail(history.error().kind, "history.url " + history.error().message);
    stores.history = std::move(*history);
  }
  if (!stores.registry || !stores.history) {
    auto file = open_file(settings.state_dir / store::kStoreFile);
    if (!file) return file.error();
    const std::shared_ptr<store::FileStore> both = std::move(*file);
    if (!stores.registry) stores.registry = both;
    if (!stores.history) stores.history = both;
  }
  return stores;
}

}  // namespace smaster::server
