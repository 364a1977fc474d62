// Engine.IO 4 over HTTP: its requests, the table of sessions, and the single timer for all their deadlines.
// Source: WIRE.md, "Engine.IO protocol 4". The application decides who may open a session.
#pragma once

#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/engineio/application.hpp"
#include "net/engineio/session.hpp"

namespace smaster::net {

struct EngineOptions {
  engineio::Options engine;
  std::string path = "/socket.io/";  ///< URLs whose path starts with this belong to Engine.IO
  std::string cors_origin;           ///< value of Access-Control-Allow-Origin; empty: no such header
};

class EngineServer {
 public:
  EngineServer(asio::io_context& context, EngineOptions options, Application& application);

  /// How a request continues.
  struct Poll {
    std::shared_ptr<EngineSession> session;
  };
  struct Upgrade {
    std::shared_ptr<EngineSession> session;  ///< null: a new session with `upper` is opened
    std::unique_ptr<Upper> upper;
    bool text_only = false;  ///< engineio::Session::set_text_only
  };
  using Outcome = std::variant<Response, Poll, Upgrade>;

  [[nodiscard]] bool owns(std::string_view target) const;
  /// The session that the request names; null if there is none.
  [[nodiscard]] std::shared_ptr<EngineSession> session_of(const Request::header_type& request) const;
  /// Handles a request for an Engine.IO URL. After a Poll the caller waits for packets; after an Upgrade it
  /// makes a websocket.
  Task<Outcome> handle(const Request& request, const asio::ip::address& peer);
  /// Attaches `link`, the websocket made for `upgrade`, to its session.
  void adopt(Upgrade upgrade, std::shared_ptr<WebSocketLink> link);
  /// The response to a poll.
  [[nodiscard]] Response poll_response(const Request& request, std::string body) const;
  /// An Engine.IO error response: HTTP status and JSON body.
  [[nodiscard]] Response error(const Request& request, unsigned status, int code,
                               std::string_view message) const;

  /// The response to a request that does not fit the state of its session.
  [[nodiscard]] Response bad_request(const Request& request) const;
  /// The response if there are no descriptors for more shards.
  [[nodiscard]] Response no_room(const Request& request) const;

  /// Closes all sessions in the normal way, each in a later turn of the loop.
  void close_all();

  [[nodiscard]] Executor executor() { return timer_.get_executor(); }
  [[nodiscard]] const EngineOptions& options() const { return options_; }
  [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }
  /// To be called when the session's deadline may have moved to an earlier time.
  void schedule(EngineSession& session);
  void forget(const std::string& sid) { sessions_.erase(sid); }

 private:
  struct Due {
    Instant when;
    std::weak_ptr<EngineSession> session;
    bool operator>(const Due& other) const { return when > other.when; }
  };

  Task<Outcome> handshake(const Request& request, const asio::ip::address& peer, bool websocket);
  /// `session` is passed by value: the request may end it, which removes it from the table.
  Outcome in_session(const Request& request, std::shared_ptr<EngineSession> session, bool websocket);
  std::shared_ptr<EngineSession> create(engineio::Transport transport, std::unique_ptr<Upper> upper);
  void open(EngineSession& session);
  [[nodiscard]] Response respond(const Request& request, unsigned status, std::string_view type,
                                 std::string body) const;
  void arm();
  void run_due();

  EngineOptions options_;
  Application& application_;
  Timer timer_;
  Instant armed_ = Instant::max();
  std::unordered_map<std::string, std::shared_ptr<EngineSession>> sessions_;
  // One entry per session, checked when it is due. If the deadline has moved to a later time by then, the
  // entry is pushed again. This way a pong does not touch the heap.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace smaster::net
