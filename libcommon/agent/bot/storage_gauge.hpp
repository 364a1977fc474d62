// Measures the size of the project directory periodically in a pool; shared by all agents of a process.
#pragma once

#include <filesystem>

#include "agent/bot/proc.hpp"
#include "net/asio.hpp"

namespace smaster::agent {

class StorageGauge {
 public:
  /// With an empty `folder` nothing is measured.
  StorageGauge(net::asio::io_context& context, net::asio::thread_pool& pool, std::filesystem::path folder)
      : pool_(pool), folder_(std::move(folder)), pause_(context.get_executor()) {}
  /// Measures until `stop` is called.
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
