// Reboots of bots, of the shards' own programs and of this server, as in the original server.
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

/// The parts that reboots use.
struct RebootParts {
  Directory& directory;
  OrderSender& sender;
  Slices& slices;
  std::function<void()> restart;  ///< restarts this server in place
};

struct Reboot {
  enum class What {
    bots,      ///< each bot stops and starts again
    programs,  ///< the shards' programs exit; their supervisors restart them
    all,       ///< the programs of all shards exit, and this server restarts
    master,    ///< this server restarts
  };
  What what = What::bots;
  std::optional<std::vector<ShardId>> ids;  ///< unset: all shards with an id, and the master shard
};

/// Parses WIRE.md's `reboot master`, `reboot hard [force]`, `reboot [ID …] [force]`. Errors: bad_data.
[[nodiscard]] Result<Reboot> parse_reboot(std::string_view text);

/// The outcome for one shard.
struct Rebooted {
  ShardId id;                     ///< its first id; the master shard has none
  std::optional<ShardName> name;  ///< unset: no shard has the id
  bool told = false;              ///< it is connected
};

/// Carries out the request. The server restarts after its shards have been told.
net::Task<std::vector<Rebooted>> reboot(const RebootParts& parts, Reboot request);

}  // namespace smaster::server
