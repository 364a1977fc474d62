#include "net/engineio/server.hpp"

#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/clock.hpp"

namespace smaster::net {
namespace {

namespace http = boost::beast::http;

/// How long sessions' deadlines are handled in one turn of the loop.
constexpr Millis kTicking{2};
/// Number of random bytes in a session id.
constexpr std::size_t kSidBytes = 15;

// Engine.IO's error codes. Source: WIRE.md, "Engine.IO protocol 4".
constexpr int kTransportUnknown = 0;
constexpr int kSessionUnknown = 1;
constexpr int kBadHandshakeMethod = 2;
constexpr int kBadRequest = 3;
constexpr int kForbidden = 4;
constexpr int kUnsupportedVersion = 5;

/// The query parameters that Engine.IO uses. Of duplicates the first one counts.
struct Query {
  std::string eio;
  std::string transport;
  std::string sid;
  std::string b64;  ///< not empty: the client cannot receive binary frames
};

Query parse_query(std::string_view target) {
  Query query;
  const auto url = boost::urls::parse_origin_form(target);
  if (!url) return query;
  for (const auto& parameter : url->params()) {
    std::string* const field = parameter.key == "EIO"         ? &query.eio
                               : parameter.key == "transport" ? &query.transport
                               : parameter.key == "sid"       ? &query.sid
                               : parameter.key == "b64"       ? &query.b64
                                                              : nullptr;
    if (field != nullptr && field->empty()) *field = parameter.value;
  }
  return query;
}

/// True if the client wants binary messages encoded as text (base64).
bool asks_for_text(const Request& request) {
  return !parse_query({request.target().data(), request.target().size()}).b64.empty();
}

}  // namespace

EngineServer::EngineServer(asio::io_context& context, EngineOptions options, Application& application)
    : options_(std::move(options)), application_(application), timer_(context.get_executor()) {}

bool EngineServer::owns(std::string_view target) const {
  return target.substr(0, target.find('?')).starts_with(options_.path);
}

std::shared_ptr<EngineSession> EngineServer::session_of(const Request::header_type& request) const {
  const std::string_view target(request.target().data(), request.target().size());
  const auto found = owns(target) ? sessions_.find(parse_query(target).sid) : sessions_.end();
  return found == sessions_.end() ? nullptr : found->second;
}

Task<EngineServer::Outcome> EngineServer::handle(const Request& request, const asio::ip::address& peer) {
  if (request.method() == http::verb::options && !options_.cors_origin.empty()) {
    co_return respond(request, 204, "text/plain", "");
  }
  const auto query = parse_query({request.target().data(), request.target().size()});
  const bool websocket = query.transport == "websocket";
  if (!websocket && query.transport != "polling") {
    co_return error(request, 400, kTransportUnknown, "Transport unknown");
  }
  if (query.sid.empty()) {
    if (request.method() != http::verb::get) {
      co_return error(request, 400, kBadHandshakeMethod, "Bad handshake method");
    }
    if (websocket != boost::beast::websocket::is_upgrade(request)) {
      co_return bad_request(request);
    }
    if (query.eio != "4") co_return error(request, 400, kUnsupportedVersion, "Unsupported protocol version");
    co_return co_await handshake(request, peer, websocket);
  }
  const auto found = sessions_.find(query.sid);
  if (found == sessions_.end()) co_return error(request, 400, kSessionUnknown, "Session ID unknown");
  if (query.eio != "4") co_return bad_request(request);
  co_return in_session(request, found->second, websocket);
}

Task<EngineServer::Outcome> EngineServer::handshake(const Request& request, const asio::ip::address& peer,
                                                    bool websocket) {
  const std::string_view target(request.target().data(), request.target().size());
  const auto question = std::min(target.find('?'), target.size() - 1);
  HandshakeRequest handshake{peer, forwarded_for(request), std::nullopt,
                             std::string(target.substr(question + 1))};
  if (const auto field = request.find(http::field::authorization); field != request.end()) {
    handshake.authorization = std::string(field->value());
  }
  auto admission = co_await application_.admit(std::move(handshake));
  if (const auto* refusal = std::get_if<Refusal>(&admission)) {
    auto response = error(request, refusal->status, kForbidden, refusal->message);
    if (refusal->retry_after)
      response.set(http::field::retry_after, std::to_string(refusal->retry_after->count()));
    co_return response;
  }
  auto upper = std::get<std::unique_ptr<Upper>>(std::move(admission));
  if (websocket) co_return Upgrade{nullptr, std::move(upper), asks_for_text(request)};
  const auto session = create(engineio::Transport::polling, std::move(upper));
  if (asks_for_text(request)) session->state().set_text_only();
  open(*session);
  co_return poll_response(request, *session->state().handshake(session->sid()).data);
}

EngineServer::Outcome EngineServer::in_session(const Request& request, std::shared_ptr<EngineSession> session,
                                               bool websocket) {
  if (websocket) {
    if (!boost::beast::websocket::is_upgrade(request)) return bad_request(request);
    return Upgrade{std::move(session), nullptr, asks_for_text(request)};
  }
  if (session->state().transport() == engineio::Transport::polling) {
    if (request.method() == http::verb::get) return Poll{std::move(session)};
    if (request.method() == http::verb::post &&
        session->post(request.body(), Clock::now()) == engineio::Session::Answer::ok) {
      return respond(request, 200, "text/html", "ok");
    }
  }
  return bad_request(request);
}

std::shared_ptr<EngineSession> EngineServer::create(engineio::Transport transport,
                                                    std::unique_ptr<Upper> upper) {
  const auto now = Clock::now();
  auto session = std::make_shared<EngineSession>(*this, crypto::random_token(kSidBytes), transport,
                                                 std::move(upper), now);
  sessions_.emplace(session->sid(), session);
  return session;
}

void EngineServer::open(EngineSession& session) {
  session.open(Clock::now());
  schedule(session);
}

void EngineServer::adopt(Upgrade upgrade, std::shared_ptr<WebSocketLink> link) {
  const auto session =
      upgrade.session ? upgrade.session : create(engineio::Transport::websocket, std::move(upgrade.upper));
  if (upgrade.text_only) session->state().set_text_only();
  if (upgrade.session) return session->attach_probe(std::move(link));
  session->attach_main(std::move(link));
  open(*session);
}

Response EngineServer::respond(const Request& request, unsigned status, std::string_view type,
                               std::string body) const {
  Response response(static_cast<http::status>(status), request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, {type.data(), type.size()});
  response.set(http::field::cache_control, "no-store");
  if (!options_.cors_origin.empty()) {
    response.set(http::field::access_control_allow_origin, options_.cors_origin);
    response.set(http::field::access_control_allow_headers, "*");
    response.set(http::field::access_control_allow_methods, "GET, POST, OPTIONS");
  }
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

Response EngineServer::poll_response(const Request& request, std::string body) const {
  return respond(request, 200, "text/plain; charset=UTF-8", std::move(body));
}

Response EngineServer::error(const Request& request, unsigned status, int code,
                             std::string_view message) const {
  return respond(request, status, "application/json",
                 R"({"code":)" + std::to_string(code) + R"(,"message":)" + json::quote(message) + '}');
}

Response EngineServer::bad_request(const Request& request) const {
  return error(request, 400, kBadRequest, "Bad request");
}

Response EngineServer::no_room(const Request& request) const {
  auto response = error(request, 503, kForbidden, "This master has no room for more shards");
  response.set(http::field::retry_after, "10");
  return response;
}

void EngineServer::close_all() {
  for (const auto& [sid, session] : sessions_) session->close_session();
}

void EngineServer::schedule(EngineSession& session) {
  const auto when = session.deadline();
  if (when >= session.scheduled) return;
  session.scheduled = when;
  due_.push({when, session.weak_from_this()});
  if (when < armed_) arm();
}

void EngineServer::arm() {
  armed_ = due_.top().when;
  timer_.expires_at(armed_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) run_due();
  });
}

void EngineServer::run_due() {
  const auto now = Clock::now();
  // Thousands may be due at once; the others' turn comes in between.
  const auto until = now + kTicking;
  while (!due_.empty() && due_.top().when <= now && Clock::now() < until) {
    const auto session = due_.top().session.lock();
    due_.pop();
    if (!session || session->state().ended()) continue;
    session->scheduled = Instant::max();
    if (session->deadline() <= now) session->tick(now);
    if (!session->state().ended()) schedule(*session);
  }
  armed_ = Instant::max();
  if (!due_.empty()) arm();
}

}  // namespace smaster::net
