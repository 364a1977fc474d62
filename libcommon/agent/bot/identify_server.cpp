#include "agent/bot/identify_server.hpp"

#include <poll.h>

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <utility>

#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/event.hpp"
#include "net/http.hpp"
#include "net/http_rules.hpp"
#include "net/readable.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kSecretBytes = 24;
/// Maximum number of connections that have not presented a secret yet.
constexpr std::ptrdiff_t kMostStrangers = 64;
constexpr std::uint64_t kMaxBody = 4 * 1024;
constexpr std::chrono::seconds kRequestTimeout{10};  ///< to send the request, or to receive the answer
constexpr std::chrono::seconds kRefusedTimeout{1};   ///< to receive the answer to a request rejected unread
constexpr std::size_t kMaxDrained = 64 * 1024;
constexpr std::chrono::seconds kAcceptPause{1};
/// How long a POST waits before it is told to retry. The GET protocol has no way to say "retry".
constexpr std::chrono::seconds kLongestPost{20};
/// Delay before the retry, in milliseconds: short, since the next request waits again. Sandwich-Daemon's
/// identify_url.go reads this header.
constexpr const char* kRetryHeader = "X-Retry-After-Ms";
constexpr Millis kRetryAfter{500};

net::Response respond(http::status status, const std::string& message) {
  net::Response response(status, 11);
  response.keep_alive(false);
  if (status != http::status::no_content) {
    response.set(http::field::content_type, "application/json");
    response.body() = R"({"message":)" + json::quote(message) + "}\n";
  }
  response.prepare_payload();
  return response;
}

net::Response come_back() {
  auto response = respond(http::status::too_many_requests, "this shard may not log in yet; ask again");
  response.set(kRetryHeader, std::to_string(kRetryAfter.count()));
  response.set(http::field::retry_after, "1");
  return response;
}

/// Splits "/SECRET/?QUERY" into the secret and the query.
std::pair<std::string_view, std::string_view> parts(std::string_view target) {
  const auto mark = target.find('?');
  auto path = target.substr(0, mark);
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  return {path, mark == target.npos ? std::string_view() : target.substr(mark + 1)};
}

}  // namespace

Result<IdentifyRequest> parse_identify_request(std::string_view query, std::string_view body) {
  IdentifyRequest request;
  for (const auto pair : split(query, '&')) {
    constexpr std::string_view kShard = "shard=";
    if (!pair.starts_with(kShard)) continue;
    const auto id = parse_int<std::int32_t>(pair.substr(kShard.size()));
    if (!id || *id < 0) return fail(ErrorKind::bad_data, "shard is to be a shard's id, as in ?shard=3");
    request.id = ShardId{*id};
  }
  if (trim(body).empty()) return request;
  const auto value = json::parse(body);
  if (!value || !value->is_object()) return fail(ErrorKind::bad_data, "the body is no JSON object");
  ShardId id;
  ShardCount count;  // Sandwich-Daemon sends 0 if it uses Discord's recommended count
  json::read(value->get_object(), "shard_id", id);
  json::read(value->get_object(), "shard_count", count);
  if (!id.bound()) return fail(ErrorKind::bad_data, "shard_id is to be a shard's id");
  request.id = id;
  if (count.value > 0) request.count = count;
  return request;
}

/// One connection with one request: logins are too rare for keep-alive.
class IdentifyServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(IdentifyServer& server, net::Socket socket)
      : server_(server), wake_(socket.get_executor()), stream_(std::move(socket)) {}

  net::Task<> run() {
    const auto self = shared_from_this();
    http::request_parser<http::string_body> parser;
    parser.body_limit(kMaxBody);
    stream_.expires_after(kRequestTimeout);
    auto error = co_await net::read_request_header(stream_, buffer_, parser);
    only_head_ = parser.get().method() == http::verb::head;
    if (!error) error = co_await net::invite_body(stream_, parser);
    if (!error) error = co_await net::read_request_body(stream_, buffer_, parser);
    if (dropped_) co_return;
    if (!error) {
      co_await serve(parser.get());
    } else if (const auto status = net::refusal_status(error)) {
      const bool large = *status != http::status::bad_request;
      co_await refuse(*status, large ? "the request is too large" : "that is no HTTP request");
      // Closing with unread data would reset the connection and lose the answer.
      stream_.expires_after(kRefusedTimeout);
      co_await net::drain(stream_, kMaxDrained);
    }
  }

  /// Closes the connection. The owner is not told.
  void drop() {
    dropped_ = true;
    address_ = nullptr;
    stream_.close();
    wake_.notify();
  }
  [[nodiscard]] bool asks_at(const Address& address) const { return address_ == &address; }
  /// True if it has not presented a secret.
  [[nodiscard]] bool stranger() const { return address_ == nullptr && !dropped_; }

 private:
  net::Task<> serve(const net::Request& request) {
    const auto [secret, query] = parts({request.target().data(), request.target().size()});
    auto* const address = server_.find(secret);
    if (address == nullptr) {
      co_return co_await refuse(http::status::not_found,
                                "no bot has this address; its own is in SMASTER_IDENTIFY_URL");
    }
    const bool post = request.method() == http::verb::post;
    if (!post && request.method() != http::verb::get) {
      co_return co_await refuse(http::status::method_not_allowed, "this takes GET and POST");
    }
    const auto asked = parse_identify_request(query, request.body());
    if (!asked) co_return co_await refuse(http::status::bad_request, asked.error().message);

    address_ = address;
    const auto ticket =
        address->owner_.identify_asked(*asked, [weak = weak_from_this()](const std::string& refusal) {
          const auto self = weak.lock();
          if (!self) return;
          self->answer_ = refusal;
          self->wake_.notify();
        });
    co_await wait(post);
    if (address_ == nullptr) co_return;  // the bot process has ended
    if (answer_ && !answer_->empty()) co_return co_await refuse(http::status::forbidden, *answer_);
    if (gone_ || peer_closed()) co_return address_->owner_.identify_withdrawn(ticket);
    if (!answer_) {
      address_->owner_.identify_withdrawn(ticket);
      co_await write(come_back());
      co_return;
    }
    auto permit =
        post ? respond(http::status::no_content, {}) : respond(http::status::ok, "this shard may log in now");
    const bool taken = co_await write(std::move(permit));
    if (address_ == nullptr) co_return;
    if (taken) {
      address_->owner_.identify_delivered(ticket);
    } else {
      address_->owner_.identify_withdrawn(ticket);
    }
  }

  /// Waits until there is an answer, the peer disconnects, or a POST has waited kLongestPost.
  net::Task<> wait(bool post) {
    if (answer_) co_return;
    net::ReadableWait hang_up(stream_.socket());
    hang_up.start([self = shared_from_this()] {
      self->gone_ = true;  // a waiting client sends nothing
      self->wake_.notify();
    });
    co_await wake_.wait_until(post ? net::now() + kLongestPost : Instant::max());
  }

  net::Task<> refuse(http::status status, std::string message) {
    auto response = respond(status, message);
    co_await write(std::move(response));
  }

  net::Task<bool> write(net::Response response) {
    stream_.expires_after(kRequestTimeout);
    if (co_await net::write_response(stream_, response, only_head_)) co_return false;
    boost::system::error_code ignored;
    stream_.socket().shutdown(net::Socket::shutdown_send, ignored);
    co_return true;
  }

  [[nodiscard]] bool peer_closed() {
    pollfd peer{stream_.socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&peer, 1, 0) > 0;
  }

  IdentifyServer& server_;
  Address* address_ = nullptr;  ///< the address that was asked; null before that, and after drop()
  net::Event wake_;
  beast::basic_stream<net::tcp, net::Executor> stream_;
  beast::flat_buffer buffer_ = net::request_buffer();
  std::optional<std::string> answer_;  ///< the refusal; empty: permitted; unset: no answer yet
  bool gone_ = false;
  bool dropped_ = false;
  bool only_head_ = false;  ///< the request is HEAD
};

IdentifyServer::IdentifyServer(asio::io_context& context)
    : acceptor_(context.get_executor()),
      pause_(context.get_executor()),
      tasks_(context.get_executor(), "identify") {}

IdentifyServer::~IdentifyServer() {
  for (const auto& [number, connection] : connections_) connection->drop();
}

Result<void> IdentifyServer::listen() {
  boost::system::error_code error;
  const net::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), 0);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(ErrorKind::cannot_create, "cannot listen on 127.0.0.1: " + error.message());
  tasks_.keep_running("accept connections", [this] { return accept_loop(); });
  return {};
}

net::Task<> IdentifyServer::accept_loop() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(net::use_task, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      pause_.expires_after(kAcceptPause);
      co_await pause_.async_wait(asio::redirect_error(net::use_task, error));
      continue;
    }
    make_room();
    const auto number = next_connection_++;
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    connections_.emplace(number, connection);
    tasks_.spawn("connection", hold(number, connection), [this, number] { connections_.erase(number); });
  }
}

net::Task<> IdentifyServer::hold(std::uint64_t number, std::shared_ptr<Connection> connection) {
  co_await connection->run();
  connections_.erase(number);
}

/// Any local process can connect, so connections without a secret are limited: drops the oldest one.
void IdentifyServer::make_room() {
  const auto stranger = [](const auto& entry) { return entry.second->stranger(); };
  if (std::count_if(connections_.begin(), connections_.end(), stranger) < kMostStrangers) return;
  std::find_if(connections_.begin(), connections_.end(), stranger)->second->drop();
}

IdentifyServer::Address* IdentifyServer::find(std::string_view secret) const {
  const auto found = addresses_.find(secret);
  return found == addresses_.end() ? nullptr : found->second;
}

IdentifyServer::Address::Address(IdentifyServer& server, IdentifyOwner& owner)
    : server_(server), owner_(owner), secret_(crypto::random_token(kSecretBytes)) {
  server_.addresses_.emplace(secret_, this);
}

IdentifyServer::Address::~Address() {
  server_.addresses_.erase(secret_);
  for (const auto& [number, connection] : server_.connections_) {
    if (connection->asks_at(*this)) connection->drop();
  }
}

std::string IdentifyServer::Address::url() const {
  boost::system::error_code error;
  const auto port = server_.acceptor_.local_endpoint(error).port();
  return "http://127.0.0.1:" + std::to_string(port) + '/' + secret_ + '/';
}

}  // namespace smaster::agent
