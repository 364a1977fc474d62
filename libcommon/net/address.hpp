// Client addresses: networks, trusted proxies, and the key that limits are counted by.
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

/// Parses "10.0.0.0/8", "fd00::/8" or a single address; nullopt on errors.
[[nodiscard]] std::optional<Network> parse_network(std::string_view text);

/// All X-Forwarded-For lines of a request in order, joined into one list. All of them matter: a proxy may add
/// a line instead of appending to the last one, and the first line may be forged by the client.
[[nodiscard]] std::string forwarded_for(const boost::beast::http::fields& headers);

/// The client's address behind `peer`. Walks X-Forwarded-For from the right while the current address is in
/// `trusted`: only the entry written by a trusted proxy is reliable. Stops at an entry that is no address.
[[nodiscard]] Address client_address(const Address& peer, std::string_view forwarded_for,
                                     const std::vector<Network>& trusted);

/// The key for counting attempts: an IPv4 address, or the /64 network of an IPv6 address, since one host
/// usually has a whole /64.
[[nodiscard]] std::string limit_key(const Address& address);

/// The proxies whose X-Forwarded-For is used ([server] trusted_proxies).
class Proxies {
 public:
  Proxies() = default;
  /// Ignores invalid entries: the settings were validated before.
  explicit Proxies(const std::vector<std::string>& networks);
  /// The limit_key of the client behind `peer`. `forwarded_for`: see the function of this name.
  [[nodiscard]] std::string limit_key(const Address& peer, std::string_view forwarded_for) const;

 private:
  std::vector<Network> trusted_;
};

/// is_address: the text is an IP address. is_loopback: it is one that only this machine can reach.
[[nodiscard]] bool is_address(const std::string& text);
[[nodiscard]] bool is_loopback(const std::string& text);

}  // namespace smaster::net
