// Discord's data about a bot's gateway: the recommended number of shards, and the login limits. Source:
// WIRE.md, "Discord's own rules"; Discord's documentation of GET /gateway/bot.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "fleet/identify.hpp"
#include "net/http_client.hpp"

namespace smaster::discord {

/// The response to GET /gateway/bot.
struct GatewayBot {
  ShardCount recommended;
  fleet::IdentifyLimits limits;  ///< `reserve` is not set: it comes from the settings
};

/// Errors: bad_data if the text is no such response. `now`: base for reset_after.
[[nodiscard]] Result<GatewayBot> parse_gateway_bot(std::string_view json, Time now);

/// Why there is no response, and when to retry.
struct GatewayFailure {
  std::string message;
  bool token_refused = false;         ///< retrying is useless
  std::optional<Millis> retry_after;  ///< requested by Discord (status 429)
};

/// Parses a base address such as "https://discord.com/api/v10". Errors: bad_config for other texts, or for
/// plain http to another machine.
[[nodiscard]] Result<net::HttpEndpoint> parse_api_base(const std::string& url);

/// Sends one request. `endpoint.tls` must be set for https.
net::Task<std::variant<GatewayBot, GatewayFailure>> fetch_gateway_bot(net::Executor executor,
                                                                      const net::HttpEndpoint& endpoint,
                                                                      const std::string& token);

}  // namespace smaster::discord
