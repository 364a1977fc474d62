// etcd as the store that servers share, and what they elect their leader by. Keys: PREFIX/shards/NAME,
// PREFIX/notes/NAME, PREFIX/writes, and under leases PREFIX/leader and PREFIX/members/NAME.
#pragma once

#include "store/etcd_client.hpp"
#include "store/open.hpp"

namespace smaster::store {

/// The lease in whole seconds; etcd may make it longer.
[[nodiscard]] SharedStore open_etcd(EtcdOptions options, Millis lease);

}  // namespace smaster::store
