// What Discord says of a bot's gateway: how many shards it recommends, and how many logins it allows. Source:
// WIRE.md, "Discord's own rules"; Discord's documentation of GET /gateway/bot.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "fleet/identify.hpp"
#include "net/http_client.hpp"

namespace smaster::discord {

/// The answer to GET /gateway/bot.
struct GatewayBot {
  ShardCount recommended;
  fleet::IdentifyLimits limits;  ///< without the reserve, which is ours
};

/// bad_data when the text is no such answer. `now`: what reset_after counts from.
[[nodiscard]] Result<GatewayBot> parse_gateway_bot(std::string_view json, Time now);

/// Why there is no answer, and when to ask again.
struct GatewayFailure {
  std::string message;
  bool token_refused = false;         ///< asking again is of no use
  std::optional<Millis> retry_after;  ///< Discord's wish (429)
};

/// "https://discord.com/api/v10" as an endpoint; bad_config when it is no such address, or plain http to
/// another machine than this.
[[nodiscard]] Result<net::HttpEndpoint> parse_api_base(const std::string& url);

/// Asks once. `endpoint.tls` must be set for https.
net::Task<std::variant<GatewayBot, GatewayFailure>> fetch_gateway_bot(net::Executor executor,
                                                                      const net::HttpEndpoint& endpoint,
                                                                      const std::string& token);

}  // namespace smaster::discord
