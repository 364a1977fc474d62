// Whose connection it is: networks, proxies that may speak for others, and the key an address is limited by.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/beast/http/fields.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace smaster::net {

using Address = boost::asio::ip::address;
using Network = std::variant<boost::asio::ip::network_v4, boost::asio::ip::network_v6>;

/// "10.0.0.0/8", "fd00::/8", or one address.
[[nodiscard]] std::optional<Network> parse_network(std::string_view text);

/// X-Forwarded-For of a request: all its lines, in their order, as one list. Proxies append a line of their
/// own as often as an entry to the last one, and the first line is whatever the client claimed.
[[nodiscard]] std::string forwarded_for(const boost::beast::http::fields& headers);

/// The client behind `peer`: while the nearest hop is trusted, the next entry of X-Forwarded-For from the
/// right (it alone was written by that hop). Entries that are no addresses end the walk.
[[nodiscard]] Address client_address(const Address& peer, std::string_view forwarded_for,
                                     const std::vector<Network>& trusted);

/// What attempts are counted by: the IPv4 address, or the /64 of an IPv6 one, since a host has a whole /64 to
/// itself.
[[nodiscard]] std::string limit_key(const Address& address);

/// The proxies that are believed ([server] trusted_proxies).
class Proxies {
 public:
  Proxies() = default;
  /// What is no network is left out; the settings were checked.
  explicit Proxies(const std::vector<std::string>& networks);
  /// What attempts of the client behind `peer` are counted by. `forwarded_for`: all of it, see there.
  [[nodiscard]] std::string limit_key(const Address& peer, std::string_view forwarded_for) const;

 private:
  std::vector<Network> trusted_;
};

/// Whether the text is an IP address, and whether only this machine can reach it.
[[nodiscard]] bool is_address(const std::string& text);
[[nodiscard]] bool is_loopback(const std::string& text);

}  // namespace smaster::net
