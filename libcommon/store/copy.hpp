// Copies a registry from one store to another, and verifies the copy.
#pragma once

#include <functional>
#include <string>

#include "store/store.hpp"

namespace smaster::store {

/// The content of a registry, independent of the kind of store.
struct Checksum {
  std::size_t shards = 0;
  std::size_t notes = 0;
  std::string sha256;  ///< over all rows and notes sorted by name, hexadecimal
  bool operator==(const Checksum&) const = default;
};

[[nodiscard]] Result<Checksum> checksum(Store& store);

/// Writes all shards and notes of `from` to `to`, which must have no shards, then reads them back. Blocks.
/// Errors: bad_data if the result differs, not_permitted if `to` has shards. `progress`: called with the
/// numbers of entries written and in total.
[[nodiscard]] Result<Checksum> copy(Store& from, Store& to,
                                    const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace smaster::store
