// etcd's v3 API by its HTTP/JSON gateway, as a caller that waits: one connection, to whichever of the servers
// answers. Source: etcd's documentation, "gRPC gateway", and rpc.proto of 3.4.
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
  std::string prefix;                        ///< of all keys; ends with "/"
  std::string user;                          ///< empty: without authentication
  std::string password;
};

/// "etcd://user:password@a:2379,b:2379/prefix", "etcds:" with TLS; port and prefix may be left out (2379,
/// "smaster"). bad_config says what is wrong, without the password. `tls`: what an etcds URL trusts.
[[nodiscard]] Result<EtcdOptions> parse_etcd_url(const std::string& url,
                                                 const std::shared_ptr<net::asio::ssl::context>& tls);

/// Keys, values and numbers as the gateway has them: bytes in base64, 64-bit numbers as decimal texts.
[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] std::string from_base64(std::string_view text);
[[nodiscard]] std::int64_t number_at(const boost::json::object& object, std::string_view key);
/// The end of the range of all keys that begin with `prefix`.
[[nodiscard]] std::string range_end(std::string prefix);

class EtcdClient {
 public:
  explicit EtcdClient(const EtcdOptions& options) : options_(options) {}

  /// POSTs `body` to `/v3/` and `path`, and returns the answer. Servers that do not answer are passed over,
  /// each after its part of `timeout`: what is asked must bear being done twice. unavailable when none
  /// answers in time, not_permitted when user or password are wrong, bad_data for what etcd does not take.
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
