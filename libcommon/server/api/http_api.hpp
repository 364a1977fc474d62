// What is served on the shard port beside Socket.IO: health, metrics, and the statuses of the past.
#pragma once

#include "net/address.hpp"
#include "net/application.hpp"

namespace smaster::server {

class Candidacy;
class Core;

/// `candidacy`: none where this server stands alone. `sessions`: how many there are. 501 for everything that
/// is not served, as the original has it.
net::Task<net::Answer> answer_http(Core& core, const Candidacy* candidacy, std::size_t sessions,
                                   const net::Request& request, const net::Address& peer);

}  // namespace smaster::server
