// Events about a shard.
#pragma once

#include <string>
#include <utility>

#include "records/event.hpp"
#include "server/shards/shard.hpp"

namespace smaster::server {

/// An event with the shard's name, ids and host.
[[nodiscard]] inline fleet::Event about(const Shard& shard, fleet::EventKind kind, std::string text) {
  fleet::Event event{kind, std::move(text)};
  event.shard = shard.info.id.str();
  if (shard.info.goal.bound()) event.ids = fleet::ids_text(shard.info.goal);
  event.host = shard.info.host;
  return event;
}

}  // namespace smaster::server
