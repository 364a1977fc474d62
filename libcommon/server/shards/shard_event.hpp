// Events about a shard.
#pragma once

#include <string>
#include <utility>

#include "records/event.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// An event with the shard's name, ids and host.
[[nodiscard]] inline fleet::Event about(const Shard& shard, fleet::EventKind kind, std::string text) {
  fleet::Event event{kind, std::move(text)};
  event.shard = shard.info.id.str();
  if (shard.info.goal.bound()) event.ids = fleet::ids_text(shard.info.goal);
  event.host = shard.info.host;
  return event;
}

/// The same for a shard that may be unknown by now.
[[nodiscard]] inline fleet::Event about(const Directory& directory, const ShardName& name,
                                        fleet::EventKind kind, std::string text) {
  const auto* const shard = directory.find(name);
  if (shard != nullptr) return about(*shard, kind, std::move(text));
  return {.kind = kind, .text = std::move(text), .shard = name.str()};
}

}  // namespace smaster::server
