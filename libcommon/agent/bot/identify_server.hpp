// An HTTP server on loopback where bots ask whether a shard may log in, in the two existing protocols for
// that. Each bot process has its own address, with a secret that identifies it. Knows nothing of shards.
// Source: man 7 smaster-identify.
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

/// The contents of a request; unset where it does not say.
struct IdentifyRequest {
  std::optional<ShardId> id;
  std::optional<ShardCount> count;
};
/// Parses a query such as "shard=3" (without the secret) and a body. Errors: bad_data.
[[nodiscard]] Result<IdentifyRequest> parse_identify_request(std::string_view query, std::string_view body);

/// Answers the requests at one address. Calls come from the context's thread; see Logins for their meaning.
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

  /// Listens on a free port of 127.0.0.1. Errors: cannot_create.
  [[nodiscard]] Result<void> listen();

  /// The address of one bot process. Its destruction closes the connections that wait for an answer there.
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
  net::Timer pause_;  ///< after a failure to accept a connection
  std::map<std::string, Address*, std::less<>> addresses_;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;  ///< by number: oldest first
  std::uint64_t next_connection_ = 1;
  net::TaskScope tasks_;
};

}  // namespace smaster::agent
