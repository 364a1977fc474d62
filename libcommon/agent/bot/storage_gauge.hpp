// How much the project directory holds, measured now and then in a pool: one for all agents of a process.
#pragma once

#include <filesystem>

#include "agent/bot/proc.hpp"
#include "net/asio.hpp"

namespace smaster::agent {

class StorageGauge {
 public:
  /// An empty `folder` measures nothing.
  StorageGauge(net::asio::io_context& context, net::asio::thread_pool& pool, std::filesystem::path folder)
      : pool_(pool), folder_(std::move(folder)), pause_(context.get_executor()) {}
  /// Measures until `stop`.
  net::Task<> run();
  void stop();
  [[nodiscard]] const Storage& latest() const { return latest_; }

 private:
  net::asio::thread_pool& pool_;
  const std::filesystem::path folder_;
  net::Timer pause_;
  Storage latest_;
  bool stopped_ = false;
};

}  // namespace smaster::agent
