#include "server/persistence/kept.hpp"

#include <utility>

namespace smaster::server {

Result<Kept> read_kept(store::Store& store) {
  auto shards = store.load_registry();
  if (!shards) return shards.error();
  auto target = store.load_note(kTargetNote);
  if (!target) return target.error();
  auto drained = store.load_note(kDrainedNote);
  if (!drained) return drained.error();
  auto identify = store.load_note(kIdentifyNote);
  if (!identify) return identify.error();
  auto revoked = store.load_note(kRevokedNote);
  if (!revoked) return revoked.error();
  return Kept{std::move(*shards), std::move(*target), std::move(*identify), std::move(*revoked),
              std::move(*drained)};
}

}  // namespace smaster::server
