#include "net/engineio/client.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/object.hpp>
#include <ctime>
#include <utility>

#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::net {
namespace {

namespace http = boost::beast::http;

constexpr Millis kConnectTimeout{15'000};
constexpr Millis kPostTimeout{30'000};
constexpr Millis kPollTimeout{24 * 3'600'000};  ///< long, because the session's own deadline ends a poll
/// Maximum size of a message in bytes; a file is sent as one message.
constexpr std::size_t kMaxReceived = 128u << 20;
constexpr std::size_t kMaxQueued = 64u << 20;  ///< maximum number of bytes queued for sending
constexpr std::size_t kMaxRefusal = 64u << 10;

/// Parses an HTTP date (RFC 9110, 5.6.7): only the current format, not the two obsolete ones.
std::optional<Time> parse_date(const std::string& text) {
  std::tm parts{};
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return from_unix_ms(std::int64_t{::timegm(&parts)} * 1000);
}

/// Interprets the server's answer to a failed handshake.
template <class Message>
ConnectFailure refusal(const Message& response) {
  ConnectFailure failure;
  failure.reached = true;
  failure.status = response.result_int();
  failure.date = parse_date(std::string(response[http::field::date]));
  // Engine.IO servers answer {"code":…,"message":"…"}. Status 400 concerns the transport: the other one may
  // work.
  const auto body = json::parse(response.body());
  failure.refused = body && body->is_object() && body->get_object().contains("code") && failure.status != 400;
  std::string reason;
  if (failure.refused) json::read(body->get_object(), "message", reason);
  failure.message = "HTTP " + std::to_string(failure.status) + (reason.empty() ? "" : " " + reason);
  return failure;
}

}  // namespace

EngineClient::EngineClient(asio::io_context& context, HttpEndpoint endpoint, Upper& upper, std::string query)
    : context_(context),
      endpoint_(std::move(endpoint)),
      query_(std::move(query)),
      upper_(&upper),
      timer_(context.get_executor()),
      get_(context.get_executor(), endpoint_),
      post_(context.get_executor(), endpoint_),
      tasks_(context.get_executor(), "connection to " + endpoint_.authority()) {}

std::string EngineClient::target(std::string_view transport) const {
  auto text = endpoint_.path + "?EIO=4&transport=" + std::string(transport);
  if (!query_.empty()) text += '&' + query_;
  if (session_ && !session_->sid().empty()) text += "&sid=" + session_->sid();
  return text;
}

Task<std::optional<ConnectFailure>> EngineClient::connect(Authorize authorize) {
  const auto self = shared_from_this();
  auto header = co_await authorize();
  auto failure = co_await connect_websocket(header);
  // Retrying is useless if the Engine.IO server itself refused. Other failures may be caused by a proxy that
  // does not support websockets.
  if (!failure || !failure->reached || failure->refused || upper_ == nullptr) co_return failure;
  spdlog::info("no websocket to {} ({}); trying polling", endpoint_.authority(), failure->message);
  header = co_await authorize();
  co_return co_await connect_polling(header);
}

Task<std::optional<ConnectFailure>> EngineClient::connect_websocket(const std::string& authorization) {
  auto stream = co_await open_stream(context_.get_executor(), endpoint_, kConnectTimeout);
  if (!stream) co_return ConnectFailure{stream.error().message};
  Response answer;
  std::string early;
  const auto error = co_await request_websocket(**stream, endpoint_.authority(), target("websocket"),
                                                authorization, answer, early);
  if (error) {
    if (answer.result_int() >= 300) co_return refusal(answer);
    ConnectFailure failure{error.message()};
    failure.reached = true;
    co_return failure;
  }
  if (upper_ == nullptr) co_return ConnectFailure{"given up"};
  session_.emplace(*this, now());
  link_ =
      std::make_shared<WebSocketLink>(std::move(**stream), websocket::Role::client, kMaxReceived, kMaxQueued);
  link_->start(weak_from_this(), std::move(early));
  arm();
  co_return std::nullopt;
}

Request EngineClient::polling_request(http::verb method) const {
  Request request(method, target("polling"), 11);
  request.set(http::field::authorization, authorization_);
  return request;
}

Task<std::optional<ConnectFailure>> EngineClient::connect_polling(const std::string& authorization) {
  authorization_ = authorization;
  auto request = polling_request(http::verb::get);
  const auto response = co_await get_.exchange(std::move(request), kConnectTimeout, kMaxRefusal);
  if (!response) co_return ConnectFailure{response.error().message};
  if (response->result() != http::status::ok) co_return refusal(*response);
  if (upper_ == nullptr) co_return ConnectFailure{"given up"};
  session_.emplace(*this, now());
  session_->receive_payload(response->body(), now());
  if (!session_->open()) co_return ConnectFailure{"the answer is no Engine.IO handshake"};
  arm();
  tasks_.spawn("poll", poll(), [this] { fail(engineio::CloseReason::transport_error); });
  co_return std::nullopt;
}

Task<> EngineClient::poll() {
  const auto self = shared_from_this();
  while (session_->open()) {
    auto request = polling_request(http::verb::get);
    const auto response = co_await get_.exchange(std::move(request), kPollTimeout, kMaxReceived);
    if (!response || response->result() != http::status::ok) {
      session_->closed_by_transport(engineio::CloseReason::transport_error);
      co_return;
    }
    session_->receive_payload(response->body(), now());
  }
}

std::string EngineClient::take_payload() {
  std::string body;
  while (!outbox_.empty()) {
    const auto& frame = outbox_.front();
    if (!body.empty() && body.size() + 1 + engineio::payload_size(frame) > session_->max_payload()) break;
    engineio::append_to_payload(body, frame);
    outbox_bytes_ -= frame.held();
    outbox_.pop_front();
  }
  return body;
}

Task<> EngineClient::post() {
  const auto self = shared_from_this();
  auto busy = std::optional(posting_.begin());
  while (!outbox_.empty()) {
    auto request = polling_request(http::verb::post);
    request.set(http::field::content_type, "text/plain;charset=UTF-8");
    request.body() = take_payload();
    const auto response = co_await post_.exchange(std::move(request), kPostTimeout, kMaxRefusal);
    if (!response || response->result() != http::status::ok) {
      outbox_.clear();
      outbox_bytes_ = 0;
      session_->closed_by_transport(engineio::CloseReason::transport_error);
    }
  }
  busy.reset();
  if (session_->ended()) hang_up();
}

void EngineClient::opened() {
  arm();  // the first ping may be due earlier than the handshake timeout
  if (upper_ != nullptr) upper_->opened(*this, now());
}

void EngineClient::send_frame(const engineio::Frame& frame) {
  if (!closing_) session_->send(frame);
}

/// Posted, because the caller may be inside a method of the session.
void EngineClient::close_session() {
  if (std::exchange(closing_, true)) return;
  asio::post(context_, [self = shared_from_this()] { self->session_->close(); });
}

void EngineClient::fail(engineio::CloseReason reason) {
  asio::post(context_, [self = shared_from_this(), reason] { self->session_->closed_by_transport(reason); });
}

void EngineClient::deliver(bool binary, std::string_view data) {
  if (!closing_ && upper_ != nullptr) upper_->receive(binary, data);
}

void EngineClient::transmit(const engineio::Frame& frame) {
  if (link_) return link_->send(frame);
  if (overfull_) return;
  outbox_bytes_ += frame.held();
  if (outbox_bytes_ > kMaxQueued) {
    overfull_ = true;
    return fail(engineio::CloseReason::too_slow);
  }
  outbox_.push_back(frame);
  if (!posting_) tasks_.spawn("post", post(), [this] { fail(engineio::CloseReason::transport_error); });
}

void EngineClient::ended(engineio::CloseReason reason) {
  const auto alive = shared_from_this();
  timer_.cancel();
  if (link_) link_->close();
  if (!posting_) hang_up();  // otherwise `post` does this after sending the last frames
  if (auto* const upper = std::exchange(upper_, nullptr)) upper->closed(reason);
}

void EngineClient::hang_up() {
  get_.drop();
  post_.drop();
}

void EngineClient::abandon() {
  upper_ = nullptr;
  timer_.cancel();
  if (link_) link_->abort();
  hang_up();
}

void EngineClient::arm() {
  if (session_->ended()) return;
  const auto late = session_->ping_late_at();
  timer_.expires_at(now() < late ? late : session_->deadline());
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    const bool is_late = !self->session_->ended() && now() >= self->session_->ping_late_at();
    if (is_late && self->upper_ != nullptr) self->upper_->ping_is_late();
    self->session_->tick(now());
    self->arm();
  });
}

void EngineClient::websocket_frame(WebSocketLink&, bool binary, std::string_view data) {
  session_->receive_frame(binary, data, now());
}

void EngineClient::websocket_closed(WebSocketLink&, engineio::CloseReason reason) {
  session_->closed_by_transport(reason);
}

}  // namespace smaster::net
