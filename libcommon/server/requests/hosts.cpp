#include "server/requests/hosts.hpp"

#include <set>

#include "control/shard_filter.hpp"

namespace smaster::server {

net::Task<Result<void>> check_host(const Directory& directory, Slices& slices, std::string host) {
  std::set<std::string> known;
  {
    Slice slice(slices, kForOperators);
    co_await slice.next();
    co_await in_slices(directory.shards(), slice,
                       [&known](const auto& entry) { known.insert(entry.second.info.host); });
  }
  if (!host.empty() && known.contains(host)) co_return Result<void>();
  co_return control::unknown_host(host, known);
}

}  // namespace smaster::server
