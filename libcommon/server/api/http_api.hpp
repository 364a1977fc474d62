// What is served on the shard port beside Socket.IO: health, metrics, and the statuses of the past.
#pragma once

#include <functional>
#include <string>

#include "net/address.hpp"
#include "net/application.hpp"
#include "server/cluster/leadership.hpp"
#include "server/fairness/places.hpp"
#include "server/fairness/slices.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Candidacy;

/// What the answers are made of.
struct HttpParts {
  const Settings& settings;
  const Leadership& leadership;
  const StoreThread& store;
  const std::string& instance;
  Directory& directory;
  Slices& slices;
  const StatsParts& stats;
  const HistoryParts& history;
  Places& metrics_answers;
  Places& past_answers;
  net::asio::thread_pool& rendering;
  std::function<std::string()> own_metrics;  ///< what the server counts itself
};

/// `candidacy`: none where this server stands alone. `sessions`: how many there are. 501 for everything that
/// is not served, as the original has it.
net::Task<net::Answer> answer_http(const HttpParts& parts, const Candidacy* candidacy, std::size_t sessions,
                                   const net::Request& request, const net::Address& peer);

}  // namespace smaster::server
