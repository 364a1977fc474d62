#include "store/etcd_watch.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::store {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

constexpr Millis kConnectTimeout{2'000};
constexpr Millis kRetry{500};

}  // namespace

void EtcdWatch::wait(Millis most) {
  if (stopped_) return;
  if (!std::exchange(watching_, true)) {
    tasks_.keep_running("watch", [this] { return watch(); });
  }
  pause_.expires_after(most);
  pause_.async_wait([this](boost::system::error_code error) {
    if (!error) context_.stop();
  });
  context_.restart();
  if (!stopped_) context_.run();
}

void EtcdWatch::stop() {
  stopped_ = true;
  context_.stop();
}

/// Runs while `wait` runs its context.
net::Task<> EtcdWatch::watch() {
  net::Timer retry(context_.get_executor());
  while (true) {
    co_await read(options_.endpoints[current_]);
    current_ = (current_ + 1) % options_.endpoints.size();
    boost::system::error_code ignored;
    retry.expires_after(kRetry);
    co_await retry.async_wait(asio::redirect_error(net::use_task, ignored));
  }
}

/// One watch request, until its connection ends.
net::Task<> EtcdWatch::read(const net::HttpEndpoint& endpoint) {
  auto stream = co_await net::open_stream(context_.get_executor(), endpoint, kConnectTimeout);
  if (!stream) co_return;
  net::Request request(http::verb::post, endpoint.path + "watch", 11);
  request.set(http::field::host, endpoint.authority());
  request.body() = json::serialize(boost::json::object{{"create_request", {{"key", to_base64(key_)}}}});
  request.prepare_payload();
  boost::system::error_code error;
  co_await http::async_write(**stream, request, asio::redirect_error(net::use_task, error));
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  while (!error && !parser.is_done()) {
    co_await http::async_read_some(**stream, buffer, parser, asio::redirect_error(net::use_task, error));
    auto& body = parser.get().body();
    // Only the fact of a change matters. If a watch is refused, the timeout of `wait` replaces it.
    if (body.find("\"events\"") != std::string::npos) context_.stop();
    if (const auto line = body.rfind('\n'); line != std::string::npos) body.erase(0, line + 1);
  }
}

}  // namespace smaster::store
