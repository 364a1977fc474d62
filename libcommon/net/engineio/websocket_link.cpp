#include "net/engineio/websocket_link.hpp"

#include <botan/base64.h>
#include <botan/hash.h>
#include <botan/system_rng.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

#include "base/text.hpp"
#include "net/http_client.hpp"

namespace smaster::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using websocket::CloseCode;
using websocket::Opcode;

/// Timeout for the handshake, for a close, and for sending what is queued before it.
constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::size_t kMaxAnswer = 64 * 1024;  ///< body of a refused handshake, in bytes
constexpr const char* kVersion = "13";
/// If no more than this is queued when the peer closes, it is sent before the answer, in bytes.
constexpr std::size_t kParting = 64 * 1024;
/// Number of buffers that are sent with one system call.
constexpr std::size_t kParts = 32;

std::string base64(std::span<const std::uint8_t> bytes) {
  return Botan::base64_encode(bytes.data(), bytes.size());
}

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2).
std::string accept_key(const std::string& key) {
  const auto sha1 = Botan::HashFunction::create_or_throw("SHA-1");
  sha1->update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return base64(sha1->final_stdvec());
}

Opcode opcode_of(const engineio::Frame& frame) { return frame.binary ? Opcode::binary : Opcode::text; }

}  // namespace

Response websocket_response(const Request& request) {
  const std::string key(request[http::field::sec_websocket_key]);
  const bool known = request[http::field::sec_websocket_version] == kVersion;
  constexpr std::size_t kKeyLength = 24;  // of 16 bytes as base64
  if (!known || key.size() != kKeyLength) {
    Response response(known ? http::status::bad_request : http::status::upgrade_required, request.version());
    if (!known) response.set(http::field::sec_websocket_version, kVersion);
    response.set(http::field::content_type, "text/plain");
    response.body() = known ? "Sec-WebSocket-Key is no key\n" : "Sec-WebSocket-Version must be 13\n";
    response.keep_alive(false);
    response.prepare_payload();
    return response;
  }
  Response response(http::status::switching_protocols, request.version());
  response.set(http::field::upgrade, "websocket");
  response.set(http::field::connection, "Upgrade");
  response.set(http::field::sec_websocket_accept, accept_key(key));
  return response;
}

Task<boost::system::error_code> request_websocket(Stream& stream, const std::string& host,
                                                  const std::string& target, const std::string& authorization,
                                                  Response& response, std::string& early) {
  std::array<std::uint8_t, 16> random{};
  Botan::system_rng().randomize(random.data(), random.size());
  const auto key = base64(random);
  http::request<http::empty_body> request(http::verb::get, target, 11);
  request.set(http::field::host, host);
  request.set(http::field::upgrade, "websocket");
  request.set(http::field::connection, "Upgrade");
  request.set(http::field::sec_websocket_key, key);
  request.set(http::field::sec_websocket_version, kVersion);
  request.set(http::field::authorization, authorization);
  request.set(http::field::user_agent, "smaster/" SMASTER_VERSION);

  boost::system::error_code error;
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswer);
  const Deadline deadline(stream, kHandshakeTimeout);
  co_await http::async_write(stream, request, asio::redirect_error(use_task, error));
  if (!error) co_await http::async_read(stream, buffer, parser, asio::redirect_error(use_task, error));
  if (deadline.expired()) co_return asio::error::timed_out;
  if (error) co_return error;
  response = parser.release();
  // RFC 6455, 4.1: what was not asked for is no websocket either
  const bool accepted = response.result() == http::status::switching_protocols &&
                        beast::iequals(response[http::field::upgrade], "websocket") &&
                        http::token_list(response[http::field::connection]).exists("upgrade") &&
                        response[http::field::sec_websocket_accept] == accept_key(key) &&
                        response.count(http::field::sec_websocket_extensions) == 0 &&
                        response.count(http::field::sec_websocket_protocol) == 0;
  if (!accepted) co_return make_error_code(boost::system::errc::protocol_error);
  early.assign(static_cast<const char*>(buffer.cdata().data()), buffer.size());
  co_return boost::system::error_code();
}

WebSocketLink::WebSocketLink(Stream stream, websocket::Role role, std::size_t max_payload,
                             std::size_t max_queued)
    : context_(stream.get_executor().context()),
      transport_(Transport::make(std::move(stream))),
      reader_(role, max_payload),
      role_(role),
      max_queued_(max_queued) {}

void WebSocketLink::start(std::weak_ptr<WebSocketOwner> owner, std::string early) {
  owner_ = std::move(owner);
  if (!early.empty()) {
    asio::post(context_, [self = shared_from_this(), early = std::move(early)]() mutable {
      guarded(*self, [&] { self->received(early); });
      if (!self->closed_) self->start(std::exchange(self->owner_, {}));
    });
    return;
  }
  if (!transport_->start(shared_from_this())) return;
  asio::post(context_, [self = shared_from_this()] { self->fail(engineio::CloseReason::transport_error); });
}

// ---- receiving ----

void WebSocketLink::received(std::span<char> bytes) {
  while (!closed_) {
    const auto event = reader_.next(bytes);
    if (!event) return;
    handle(*event);
  }
}

void WebSocketLink::readable() {
  transport_->read();
  if (reader_.in_message()) Poller::of(context_).do_not_pause();
}

void WebSocketLink::handle(const websocket::FrameReader::Event& event) {
  using Kind = websocket::FrameReader::Kind;
  switch (event.kind) {
    case Kind::message:
      // After our own close, frames are read only to find the peer's close.
      if (const auto owner = closing_ ? nullptr : owner_.lock()) {
        owner->websocket_frame(*this, event.binary, event.data);
      }
      return;
    case Kind::ping:
      pong_ = event.data;
      return flush_soon();
    case Kind::pong:
      return;
    case Kind::close:
      peer_closed_ = true;
      if (close_sent_) return flush_soon();
      return end(event.code, engineio::CloseReason::transport_close, queued_bytes_ > kParting);
    case Kind::broken:
      peer_closed_ = true;  // what it sends from here on is not looked at
      return end(event.code, engineio::CloseReason::transport_error, true);
  }
}

void WebSocketLink::lost(boost::system::error_code) { fail(engineio::CloseReason::transport_error); }

void WebSocketLink::failed(const std::exception& error) {
  spdlog::error("a websocket failed in a way that should not happen: {}; it is closed", error.what());
  fail(engineio::CloseReason::transport_error);
}

void WebSocketLink::fail(engineio::CloseReason reason) {
  report(reason);
  abort();
}

void WebSocketLink::report(engineio::CloseReason reason) {
  const bool heard = std::exchange(closing_, true);
  const auto owner = std::exchange(owner_, {}).lock();
  if (owner && !heard) owner->websocket_closed(*this, reason);
}

// ---- sending ----

void WebSocketLink::send(const engineio::Frame& frame) {
  if (closing_ || overfull_) return;
  queued_bytes_ += frame.held();
  if (queued_bytes_ > max_queued_) {
    overfull_ = true;
    // Posted, because the caller may be inside a method of the session.
    asio::post(context_, [self = shared_from_this()] { self->fail(engineio::CloseReason::too_slow); });
    return;
  }
  auto& out = queue_.emplace_back();
  out.frame = frame;
  if (!frame.source) encode(out);
  flush_soon();
}

std::optional<websocket::Mask> WebSocketLink::mask() const {
  if (role_ == websocket::Role::server) return std::nullopt;
  websocket::Mask mask{};
  Botan::system_rng().randomize(reinterpret_cast<std::uint8_t*>(mask.data()), mask.size());
  return mask;
}

void WebSocketLink::encode(Outgoing& out) {
  const auto& data = out.frame.data;
  const auto& tail = out.frame.tail;
  const auto size = data->size() + (tail ? tail->size() : 0);
  const auto mask = this->mask();
  out.head = websocket::FrameHead(opcode_of(out.frame), true, size, mask);
  out.ready = true;
  if (!mask) return;
  out.piece = *data;
  if (tail) out.piece += *tail;
  websocket::apply_mask(out.piece, *mask);
}

/// A message of unknown length is sent in fragments (RFC 6455, 5.4); an empty one is the last.
void WebSocketLink::read_fragment(Outgoing& out) {
  out.is_read = true;
  out.frame.source->read(out.offset, [self = shared_from_this()](std::optional<std::string> piece) {
    if (self->drops_queue_ || self->queue_.empty()) return;
    if (!piece) return self->fail(engineio::CloseReason::transport_error);
    auto& front = self->queue_.front();
    const auto opcode = front.offset > 0 ? Opcode::continuation : opcode_of(front.frame);
    const auto mask = self->mask();
    front.head = websocket::FrameHead(opcode, piece->empty(), piece->size(), mask);
    front.offset += piece->size();
    front.piece = *std::move(piece);
    front.last = front.piece.empty();
    if (mask) websocket::apply_mask(front.piece, *mask);
    front.is_read = false;
    front.ready = true;
    self->flush_soon();
  });
}

void WebSocketLink::flush_soon() {
  if (closed_ || std::exchange(flush_is_due_, true)) return;
  Poller::of(context_).flush_soon(shared_from_this());
}

void WebSocketLink::add_control(Opcode opcode, std::string data) {
  const auto mask = this->mask();
  control_ += websocket::FrameHead(opcode, true, data.size(), mask).bytes();
  if (mask) websocket::apply_mask(data, *mask);
  control_ += data;
}

std::array<std::string_view, 3> WebSocketLink::Outgoing::parts(websocket::Role role) const {
  const bool own = frame.source || role == websocket::Role::client;
  return {head.bytes(), own ? std::string_view(piece) : std::string_view(*frame.data),
          own || !frame.tail ? std::string_view() : std::string_view(*frame.tail)};
}

/// Collects what is to be sent next; the number of parts.
std::size_t WebSocketLink::gather(std::span<iovec> parts, std::size_t& bytes) {
  std::size_t count = 0;
  bytes = 0;
  const auto add = [&](std::string_view part) {
    if (part.empty()) return true;
    if (count == parts.size()) return false;
    parts[count++] = {const_cast<char*>(part.data()), part.size()};
    bytes += part.size();
    return true;
  };
  if (front_sent_ == 0) {  // control frames may come between two others
    if (pong_ && !close_sent_) add_control(Opcode::pong, *std::exchange(pong_, std::nullopt));
    if (close_ && !close_sent_ && queue_.empty()) {
      close_sent_ = true;
      add_control(Opcode::close, *close_);
    }
  }
  add(control_);
  auto skip = front_sent_;
  for (auto& out : queue_) {
    if (out.frame.source && !out.ready && !out.is_read && &out == &queue_.front()) read_fragment(out);
    if (!out.ready) break;
    for (const auto part : out.parts(role_)) {
      const auto sent = std::min(skip, part.size());
      skip -= sent;
      if (!add(part.substr(sent))) return count;
    }
    if (out.frame.source) break;  // its next fragment comes before the next frame
  }
  return count;
}

void WebSocketLink::sent(std::size_t count) {
  const auto control = std::min(count, control_.size());
  control_.erase(0, control);
  if (control_.empty()) release(control_);
  count -= control;
  while (count > 0) {
    auto& front = queue_.front();
    std::size_t size = 0;
    for (const auto part : front.parts(role_)) size += part.size();
    const auto now = std::min(count, size - front_sent_);
    front_sent_ += now;
    count -= now;
    if (front_sent_ < size) return;
    front_sent_ = 0;
    if (front.frame.source && !front.last && !drops_queue_) {
      front.ready = false;
      release(front.piece);
      continue;
    }
    queued_bytes_ -= front.frame.held();
    queue_.pop_front();
  }
}

void WebSocketLink::flush() {
  flush_is_due_ = false;
  std::array<iovec, kParts> parts{};
  while (!closed_) {
    std::size_t bytes = 0;
    const auto count = gather(parts, bytes);
    if (count == 0) break;
    const auto taken = transport_->send(std::span(parts).first(count));
    if (!taken) return fail(engineio::CloseReason::transport_error);
    sent(*taken);
    if (*taken < bytes) return;
  }
  if (!closed_ && close_sent_ && peer_closed_) transport_->finish();
}

// ---- the end ----

void WebSocketLink::close() {
  if (std::exchange(closing_, true)) return;
  close_ = websocket::close_data(static_cast<std::uint16_t>(CloseCode::normal));
  begin_close_timeout();
  flush_soon();
}

void WebSocketLink::end(std::uint16_t code, engineio::CloseReason reason, bool drops_queue) {
  drops_queue_ = drops_queue;
  // A frame that is partly sent must be completed.
  while (drops_queue_ && queue_.size() > (front_sent_ > 0 ? 1u : 0u)) {
    queued_bytes_ -= queue_.back().frame.held();
    queue_.pop_back();
  }
  close_ = websocket::close_data(code);
  begin_close_timeout();
  flush_soon();
  report(reason);
}

void WebSocketLink::begin_close_timeout() {
  if (patience_ || closed_) return;
  patience_ = std::make_unique<Timer>(context_.get_executor(), kHandshakeTimeout);
  patience_->async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->abort();
  });
}

void WebSocketLink::abort() {
  closing_ = true;
  if (std::exchange(closed_, true)) return;
  const auto alive = shared_from_this();
  queue_.clear();
  queued_bytes_ = 0;
  patience_.reset();
  transport_->close();
}

}  // namespace smaster::net
