// A server on loopback that answers HTTP requests as a test says, or not for now.
#pragma once

#include <boost/beast/http.hpp>
#include <optional>
#include <utility>

#include "net/asio.hpp"
#include "net/event.hpp"
#include "net/task_scope.hpp"

namespace smaster {

class HttpStandIn {
 public:
  HttpStandIn(net::asio::io_context& context, net::TaskScope& tasks)
      : acceptor_(context, {net::asio::ip::address_v4::loopback(), 0}),
        go_on_(context.get_executor()),
        tasks_(tasks) {
    tasks_.spawn("accept", accept());
  }
  virtual ~HttpStandIn() = default;
  HttpStandIn(const HttpStandIn&) = delete;
  HttpStandIn& operator=(const HttpStandIn&) = delete;

  void hangs() { hangs_ = true; }
  /// Answers with this status from now on, also those that wait.
  void answers(boost::beast::http::status status) {
    status_ = status;
    hangs_ = false;
    go_on_.notify();
  }
  void stop() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    answers(boost::beast::http::status::gone);
  }

 protected:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  /// Serves one connection.
  virtual net::Task<> serve(net::Socket socket) = 0;

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] boost::beast::http::status status() const { return status_; }
  static net::Task<std::optional<Request>> read(net::Socket& socket) {
    boost::system::error_code error;
    boost::beast::flat_buffer buffer;
    Request request;
    co_await boost::beast::http::async_read(socket, buffer, request,
                                            net::asio::redirect_error(net::use_task, error));
    co_return error ? std::nullopt : std::optional(std::move(request));
  }
  net::Task<> wait_while_it_hangs() {
    while (hangs_) co_await go_on_.wait();
  }
  static net::Task<> write(net::Socket& socket, Response response) {
    boost::system::error_code ignored;
    response.keep_alive(false);
    response.prepare_payload();
    co_await boost::beast::http::async_write(socket, response,
                                             net::asio::redirect_error(net::use_task, ignored));
  }

 private:
  net::Task<> accept() {
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      auto socket = co_await acceptor_.async_accept(net::asio::redirect_error(net::use_task, error));
      if (error) co_return;
      tasks_.spawn("serve", serve(std::move(socket)));
    }
  }

  net::Acceptor acceptor_;
  net::Event go_on_;
  net::TaskScope& tasks_;
  boost::beast::http::status status_ = boost::beast::http::status::service_unavailable;
  bool hangs_ = false;
};

}  // namespace smaster
