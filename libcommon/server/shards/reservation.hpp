// References to a shard that may be kept across a `co_await`, unlike pointers: its name, with the number of a
// connection or of a registration.
#pragma once

#include <cstdint>
#include <memory>

#include "base/types.hpp"

namespace smaster::server {

/// One connection of a shard. Directory::session finds it until it ends or is replaced.
struct ShardRef {
  ShardName name;
  std::uint64_t connection = 0;
};

/// The right to attach a connection to a shard, as it was registered when the connection was admitted. Made
/// by Directory::reserve, redeemed by Attendance::attach.
struct Reservation {
  Reservation(ShardRef ref_, std::uint64_t registration_)
      : ref(std::move(ref_)), registration(registration_) {}
  Reservation(Reservation&&) noexcept = default;
  Reservation& operator=(Reservation&&) noexcept = default;

  ShardRef ref;
  std::uint64_t registration;
  std::shared_ptr<const ShardName> master;  ///< of a master shard: excludes all others while it exists
};

}  // namespace smaster::server
