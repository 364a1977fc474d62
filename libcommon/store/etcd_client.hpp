// A blocking client of etcd's v3 API by its HTTP/JSON gateway, with one connection to one of the servers.
// Source: etcd's documentation, "gRPC gateway", and rpc.proto of 3.4.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/http_client.hpp"

namespace smaster::store {

struct EtcdOptions {
  std::vector<net::HttpEndpoint> endpoints;  ///< at least one
  std::string prefix;                        ///< prefix of all keys; ends with "/"
  std::string user;                          ///< empty: no authentication
  std::string password;
};

/// Parses "etcd://user:password@a:2379,b:2379/prefix", with TLS "etcds:". Defaults: port 2379, prefix
/// "smaster". Errors: bad_config, without the password in its text. `tls`: used for etcds.
[[nodiscard]] Result<EtcdOptions> parse_etcd_url(const std::string& url,
                                                 const std::shared_ptr<net::asio::ssl::context>& tls);

/// Encodings of the gateway: bytes as base64, 64-bit numbers as decimal strings.
[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] std::string from_base64(std::string_view text);
[[nodiscard]] std::int64_t number_at(const boost::json::object& object, std::string_view key);
/// End of the range of all keys that start with `prefix`.
[[nodiscard]] std::string range_end(std::string prefix);

class EtcdClient {
 public:
  explicit EtcdClient(const EtcdOptions& options) : options_(options) {}

  /// POSTs `body` to `/v3/` + `path`, and returns the response. Blocks. Tries the servers in turn, each with
  /// its part of `timeout`, so the request must be idempotent. Errors: unavailable if no server answers in
  /// time, not_permitted for a wrong user or password, bad_data if etcd rejects the request.
  Result<boost::json::object> call(std::string_view path, const boost::json::object& body, Millis timeout);

 private:
  enum class Next { done, same, other };
  Next ask(std::string_view path, const std::string& body, Millis timeout,
           Result<boost::json::object>& answer);
  Result<net::Response> exchange(std::string_view path, const std::string& body, Millis timeout);
  Result<void> log_in(Millis timeout);
  void next_endpoint();

  const EtcdOptions& options_;
  net::asio::io_context context_{1};
  std::size_t current_ = 0;
  std::optional<net::HttpClient> client_;
  std::string token_;
};

}  // namespace smaster::store
