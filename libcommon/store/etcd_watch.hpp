// Waits for changes of one key in etcd. Source: etcd's documentation, "Watch streams" of the gateway: a
// request with an endless response, one JSON object per line.
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

  /// Returns when the key may have changed, at the latest after `most`. The caller must read the key: changes
  /// may have been missed while the connection was down.
  void wait(Millis most);
  /// Makes `wait` return at once, now and in future. Thread-safe.
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
