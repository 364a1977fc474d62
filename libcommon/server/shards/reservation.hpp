// What is kept of a shard over a wait, instead of a pointer: who is meant, and of which registration or
// connection.
#pragma once

#include <cstdint>
#include <memory>

#include "base/types.hpp"

namespace smaster::server {

/// One connection of a shard. Directory::session finds it, as long as it has neither ended nor been replaced.
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
  std::shared_ptr<const ShardName> master;  ///< of a master shard: no other is admitted while this lives
};

}  // namespace smaster::server
