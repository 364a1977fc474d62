// Reboots, as the original master takes them: of bots, of the shards' own programs, of this server.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// What reboots work with.
struct RebootParts {
  Directory& directory;
  OrderSender& sender;
  Slices& slices;
  std::function<void()> restart;  ///< of this server, in place
};

struct Reboot {
  enum class What {
    bots,      ///< each bot stops and starts again
    programs,  ///< the shards' programs exit, and whoever looks after them starts them again
    all,       ///< the programs of all shards exit, and this server restarts
    master,    ///< this server restarts
  };
  What what = What::bots;
  std::optional<std::vector<ShardId>> ids;  ///< of bots and programs; none: all that have an id
};

/// WIRE.md's `reboot master`, `reboot hard [force]`, `reboot [ID …] [force]`. bad_data for anything else.
[[nodiscard]] Result<Reboot> parse_reboot(std::string_view text);

/// A shard that was to be rebooted.
struct Rebooted {
  ShardId id;                     ///< the first of its ids; none of the master shard
  std::optional<ShardName> name;  ///< none when no shard has the id
  bool told = false;              ///< it is connected
};

/// Does it. The server restarts once its shards have been told.
net::Task<std::vector<Rebooted>> reboot(const RebootParts& parts, Reboot request);

}  // namespace smaster::server
