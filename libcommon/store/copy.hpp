// A registry from one store into another, and whether it has arrived.
#pragma once

#include <functional>
#include <string>

#include "store/store.hpp"

namespace smaster::store {

/// What a registry has, whatever store it is in.
struct Checksum {
  std::size_t shards = 0;
  std::size_t notes = 0;
  std::string sha256;  ///< over all rows and notes in the order of their names, hexadecimal
  bool operator==(const Checksum&) const = default;
};

[[nodiscard]] Result<Checksum> checksum(Store& store);

/// Writes all shards and notes of `from` to `to`, which must have none, and reads them again. bad_data when
/// they are not the same then, not_permitted when `to` has shards already. `progress`: how many of how many
/// are written.
[[nodiscard]] Result<Checksum> copy(Store& from, Store& to,
                                    const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace smaster::store
