// Plain HTTP on the shard port, beside Socket.IO: health, metrics, the status history, and hosts that join.
#pragma once

#include <functional>
#include <string>

#include "net/address.hpp"
#include "net/engineio/application.hpp"
#include "server/alerts/conditions.hpp"
#include "server/cluster/leadership.hpp"
#include "server/fairness/places.hpp"
#include "server/fairness/slices.hpp"
#include "server/joining/joining.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Candidacy;

/// The parts that answers use.
struct HttpParts {
  const Settings& settings;
  const Leadership& leadership;
  const StoreThread& store;
  const std::string& instance;
  Directory& directory;
  Slices& slices;
  const StatsParts& stats;
  const HistoryParts& history;
  const Conditions& conditions;
  Joining& joining;
  Places& metrics_answers;
  Places& past_answers;
  net::asio::thread_pool& rendering;
  std::function<std::string()> own_metrics;  ///< the server's own metrics, as Prometheus' text
};

/// Answers the request of a new host (join_routes.cpp). `address`: the key of its limits; `leader`: the URL
/// of the server that leads, if it is another one.
net::Task<net::Answer> answer_join(const HttpParts& parts, net::Response response, std::string body,
                                   std::string address, std::string leader);

/// Answers a request; 501 for other paths and methods, as in the original server. `candidacy`: null without a
/// shared store. `sessions`: the number of open sessions.
net::Task<net::Answer> answer_http(const HttpParts& parts, const Candidacy* candidacy, std::size_t sessions,
                                   const net::Request& request, const net::Address& peer);

}  // namespace smaster::server
