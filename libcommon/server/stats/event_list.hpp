// Reads the list of events: those in the store, and those that wait to be written.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "server/events/events.hpp"
#include "server/persistence/store_thread.hpp"

namespace smaster::server {

struct EventParts {
  Events& events;
  StoreThread& store;
};

/// The newest events of the query, oldest first. Errors: those of the store.
net::Task<Result<std::vector<fleet::Event>>> read_events(const EventParts& parts, fleet::EventQuery query);

}  // namespace smaster::server
