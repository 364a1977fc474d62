// etcd as the shared store and for leader election. Keys: PREFIX/shards/NAME, PREFIX/notes/NAME,
// PREFIX/writes; bound to leases: PREFIX/leader and PREFIX/members/NAME.
#pragma once

#include "store/etcd_client.hpp"
#include "store/open.hpp"

namespace smaster::store {

/// `lease` is rounded up to whole seconds; etcd may extend it.
[[nodiscard]] SharedStore open_etcd(EtcdOptions options, Millis lease);

}  // namespace smaster::store
