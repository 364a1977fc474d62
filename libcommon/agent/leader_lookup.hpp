// Finds the leader of several masters: asks all of them at once, on behalf of all agents of a process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/shard_config.hpp"
#include "net/http_client.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

class LeaderLookup : public std::enable_shared_from_this<LeaderLookup> {
 public:
  /// `tls`: for masters with https; may be null if there is none.
  LeaderLookup(net::asio::io_context& context, std::vector<MasterAddress> masters,
               std::shared_ptr<net::asio::ssl::context> tls);

  [[nodiscard]] const std::vector<MasterAddress>& masters() const { return masters_; }
  [[nodiscard]] net::HttpEndpoint endpoint(std::size_t master) const;

  /// Index of the master that says it accepts shards; nullopt: none. A single master is returned without a
  /// request. A result is reused for 300 ms. Call on the executor's thread.
  net::Task<std::optional<std::size_t>> find();

 private:
  net::Task<> ask(std::size_t master, std::uint64_t round);
  net::Task<> ask_and_count(std::size_t master, std::uint64_t round);
  void answered(std::uint64_t round);
  [[nodiscard]] static bool leads(const Result<net::Response>& answer);

  net::Executor executor_;
  const std::vector<MasterAddress> masters_;
  const std::shared_ptr<net::asio::ssl::context> tls_;
  net::Timer one_answered_;
  std::uint64_t round_ = 0;  ///< number of the latest questions to all; answers to earlier ones are ignored
  std::size_t waiting_ = 0;  ///< number of outstanding answers to those
  net::TaskScope tasks_;
  std::optional<std::size_t> leader_;
  Instant found_at_{};
};

}  // namespace smaster::agent
