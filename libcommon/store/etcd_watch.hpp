// Waiting for a change of one key in etcd. Source: etcd's documentation, "Watch streams" of the gateway: a
// request whose answer never ends, a JSON object a line.
#pragma once

#include <atomic>
#include <string>

#include "net/http_client.hpp"
#include "net/task_scope.hpp"
#include "store/etcd_client.hpp"

namespace smaster::store {

class EtcdWatch {
 public:
  EtcdWatch(const EtcdOptions& options, std::string key) : options_(options), key_(std::move(key)) {}

  /// Returns when the key has changed, at the latest after so long. What has changed is to be looked up: the
  /// watch may have been away.
  void wait(Millis most);
  /// Ends `wait` for good; from any thread.
  void stop();

 private:
  net::Task<> watch();
  net::Task<> read(const net::HttpEndpoint& endpoint);

  const EtcdOptions& options_;
  const std::string key_;
  net::asio::io_context context_{1};
  net::Timer pause_{context_.get_executor()};
  net::TaskScope tasks_{context_.get_executor(), "etcd"};
  std::size_t current_ = 0;
  bool watching_ = false;
  std::atomic<bool> stopped_ = false;
};

}  // namespace smaster::store
