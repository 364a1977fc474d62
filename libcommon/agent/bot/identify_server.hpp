// Where bots ask by HTTP whether a shard may log in: on loopback, in the two protocols that exist for it.
// Each bot process has an address of its own with a secret in it; whose address that is decides. Knows no
// shards. Source: man 7 smaster-identify.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/bot/logins.hpp"
#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

/// What is asked for; nothing where the request does not say it.
struct IdentifyRequest {
  std::optional<ShardId> id;
  std::optional<ShardCount> count;
};
/// The request that a target such as "/?shard=3", without the secret, and a body make. bad_data where they
/// are none.
[[nodiscard]] Result<IdentifyRequest> parse_identify_request(std::string_view query, std::string_view body);

/// Who decides on what is asked for at an address; as Logins has it.
class IdentifyOwner {
 public:
  virtual ~IdentifyOwner() = default;
  [[nodiscard]] virtual Logins::Ticket identify_asked(const IdentifyRequest& request,
                                                      Logins::Answer answer) = 0;
  virtual void identify_withdrawn(const Logins::Ticket& ticket) = 0;
  virtual void identify_delivered(const Logins::Ticket& ticket) = 0;
};

class IdentifyServer {
 public:
  explicit IdentifyServer(net::asio::io_context& context);
  ~IdentifyServer();
  IdentifyServer(const IdentifyServer&) = delete;
  IdentifyServer& operator=(const IdentifyServer&) = delete;

  /// Listens on a free port of 127.0.0.1. cannot_create when there is none.
  [[nodiscard]] Result<void> listen();

  /// A bot process' address, until it is destroyed: then the connections of those who ask there are closed,
  /// without an answer.
  class Address {
   public:
    Address(IdentifyServer& server, IdentifyOwner& owner);
    ~Address();
    Address(const Address&) = delete;
    Address& operator=(const Address&) = delete;
    /// "http://127.0.0.1:PORT/SECRET/"
    [[nodiscard]] std::string url() const;

   private:
    friend class IdentifyServer;
    IdentifyServer& server_;
    IdentifyOwner& owner_;
    const std::string secret_;
  };

 private:
  class Connection;
  net::Task<> accept_loop();
  net::Task<> hold(std::uint64_t number, std::shared_ptr<Connection> connection);
  void make_room();
  [[nodiscard]] Address* find(std::string_view secret) const;

  net::Acceptor acceptor_;
  net::Timer pause_;  ///< when no connection can be accepted
  std::map<std::string, Address*, std::less<>> addresses_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;  ///< the oldest first
  std::uint64_t next_connection_ = 1;
  net::TaskScope tasks_;
};

}  // namespace smaster::agent
