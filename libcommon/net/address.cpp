#include "net/address.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace smaster::net {
namespace {

namespace ip = boost::asio::ip;

Address plain(const Address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

bool contains(const Network& network, const Address& address) {
  if (const auto* v4 = std::get_if<ip::network_v4>(&network)) {
    return address.is_v4() &&
           ip::network_v4(address.to_v4(), v4->prefix_length()).canonical() == v4->canonical();
  }
  const auto& v6 = std::get<ip::network_v6>(network);
  return address.is_v6() && ip::network_v6(address.to_v6(), v6.prefix_length()).canonical() == v6.canonical();
}

}  // namespace

std::optional<Network> parse_network(std::string_view text) {
  boost::system::error_code error;
  const auto slash = text.find('/');
  const auto address = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error) return std::nullopt;
  const unsigned short longest = address.is_v4() ? 32 : 128;
  const auto prefix = slash == std::string_view::npos
                          ? longest
                          : parse_int<unsigned short>(text.substr(slash + 1)).value_or(999);
  if (prefix > longest) return std::nullopt;
  if (address.is_v4()) return ip::network_v4(address.to_v4(), prefix);
  return ip::network_v6(address.to_v6(), prefix);
}

std::string forwarded_for(const boost::beast::http::fields& headers) {
  std::string list;
  for (auto [at, end] = headers.equal_range("X-Forwarded-For"); at != end; ++at) {
    list.append(list.empty() ? "" : ",").append(at->value());
  }
  return list;
}

Address client_address(const Address& peer, std::string_view forwarded_for,
                       const std::vector<Network>& trusted) {
  auto client = plain(peer);
  const auto is_trusted = [&](const Address& address) {
    return std::any_of(trusted.begin(), trusted.end(),
                       [&](const Network& n) { return contains(n, address); });
  };
  while (!forwarded_for.empty() && is_trusted(client)) {
    const auto comma = forwarded_for.rfind(',');
    const auto entry =
        trim(comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
    forwarded_for = comma == std::string_view::npos ? std::string_view{} : forwarded_for.substr(0, comma);
    boost::system::error_code error;
    const auto next = ip::make_address(std::string(entry), error);
    if (error) break;
    client = plain(next);
  }
  return client;
}

std::string limit_key(const Address& address) {
  const auto client = plain(address);
  if (client.is_v4()) return client.to_string();
  return ip::network_v6(client.to_v6(), 64).canonical().to_string();
}

Proxies::Proxies(const std::vector<std::string>& networks) {
  for (const auto& text : networks) {
    if (auto network = parse_network(text)) trusted_.push_back(*network);
  }
}

std::string Proxies::limit_key(const Address& peer, std::string_view forwarded_for) const {
  return net::limit_key(client_address(peer, forwarded_for, trusted_));
}

bool is_address(const std::string& text) {
  boost::system::error_code error;
  (void)ip::make_address(text, error);
  return !error;
}

bool is_loopback(const std::string& text) {
  boost::system::error_code error;
  const auto address = ip::make_address(text, error);
  return !error && address.is_loopback();
}

}  // namespace smaster::net
