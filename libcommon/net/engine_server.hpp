// Engine.IO 4 over HTTP: the endpoint's requests, the table of sessions, and the one timer that drives them
// all. Source: WIRE.md, "Engine.IO protocol 4". Who may open a session is the application's to say.
#pragma once

#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/application.hpp"
#include "net/engine_session.hpp"

namespace smaster::net {

struct EngineOptions {
  engineio::Options engine;
  std::string path = "/socket.io/";  ///< every URL whose path starts with it is ours
  std::string cors_origin;           ///< Access-Control-Allow-Origin, none when empty
};

class EngineServer {
 public:
  EngineServer(asio::io_context& context, EngineOptions options, Application& application);

  /// What becomes of a request.
  struct Poll {
    std::shared_ptr<EngineSession> session;
  };
  struct Upgrade {
    std::shared_ptr<EngineSession> session;  ///< none: `upper` opens a new one
    std::unique_ptr<Upper> upper;
    bool text_only = false;  ///< engineio::Session::set_text_only
  };
  using Outcome = std::variant<Response, Poll, Upgrade>;

  [[nodiscard]] bool owns(std::string_view target) const;
  /// The session that the request names, if there is one.
  [[nodiscard]] std::shared_ptr<EngineSession> session_of(const Request::header_type& request) const;
  /// Handles a request for a URL of ours. A Poll waits for packets; an Upgrade becomes a websocket.
  Task<Outcome> handle(const Request& request, const asio::ip::address& peer);
  /// The upgraded connection of `upgrade` is `link`.
  void adopt(Upgrade upgrade, std::shared_ptr<WebSocketLink> link);
  /// The answer to a poll.
  [[nodiscard]] Response poll_response(const Request& request, std::string body) const;
  /// An error of Engine.IO's: its status and its JSON.
  [[nodiscard]] Response error(const Request& request, unsigned status, int code,
                               std::string_view message) const;

  /// Engine.IO's answer to a request that does not fit its session.
  [[nodiscard]] Response bad_request(const Request& request) const;
  /// The answer when there are no descriptors for more shards.
  [[nodiscard]] Response no_room(const Request& request) const;

  /// Ends every session in an orderly way, in turns of their own.
  void close_all();

  [[nodiscard]] Executor executor() { return timer_.get_executor(); }
  [[nodiscard]] const EngineOptions& options() const { return options_; }
  [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }
  /// Has the session's deadline looked at when it is due; for when it may have come closer.
  void schedule(EngineSession& session);
  void forget(const std::string& sid) { sessions_.erase(sid); }

 private:
  struct Due {
    Instant when;
    std::weak_ptr<EngineSession> session;
    bool operator>(const Due& other) const { return when > other.when; }
  };

  Task<Outcome> handshake(const Request& request, const asio::ip::address& peer, bool websocket);
  /// `session` by value: the request may end it and so take it out of the table.
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
  // An entry a session, looked at when it is due; a deadline that has moved later by then is pushed again, so
  // that a pong costs no work on the heap.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace smaster::net
