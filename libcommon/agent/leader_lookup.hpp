// Which of several masters leads: asked of all at once, and for all agents of a process together.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/shard_config.hpp"
#include "net/http_client.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

class LeaderLookup : public std::enable_shared_from_this<LeaderLookup> {
 public:
  /// `tls`: for those of the masters that want it.
  LeaderLookup(net::asio::io_context& context, std::vector<MasterAddress> masters,
               std::shared_ptr<net::asio::ssl::context> tls);

  [[nodiscard]] const std::vector<MasterAddress>& masters() const { return masters_; }
  [[nodiscard]] net::HttpEndpoint endpoint(std::size_t master) const;

  /// The number of the master that takes shards, as far as they say; none: none does. Of a single one
  /// nothing is asked. An answer is good for a moment, for whoever asks then.
  net::Task<std::optional<std::size_t>> find();

 private:
  net::Task<> ask(std::size_t master);
  net::Task<> ask_and_count(std::size_t master);
  void answered();
  [[nodiscard]] static bool leads(const Result<net::Response>& answer);

  net::Executor executor_;
  const std::vector<MasterAddress> masters_;
  const std::shared_ptr<net::asio::ssl::context> tls_;
  net::Timer one_answered_;
  std::size_t waiting_ = 0;  ///< for so many answers
  net::TaskScope tasks_;
  std::optional<std::size_t> leader_;
  Instant found_at_{};
};

}  // namespace smaster::agent
