// The floor for bench/run: a bare Beast websocket echo, which does nothing with what it gets. Prints its
// port.
#include <boost/asio/detached.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <iostream>

#include "net/asio.hpp"

namespace {

using namespace smaster;
namespace asio = net::asio;
namespace websocket = boost::beast::websocket;

net::Task<> echo(net::Socket socket) {
  boost::system::error_code error;
  socket.set_option(net::tcp::no_delay(true), error);
  websocket::stream<net::Socket> stream(std::move(socket));
  co_await stream.async_accept(asio::redirect_error(net::use_task, error));
  boost::beast::flat_buffer buffer;
  while (!error) {
    co_await stream.async_read(buffer, asio::redirect_error(net::use_task, error));
    if (error) break;
    stream.text(stream.got_text());
    co_await stream.async_write(buffer.data(), asio::redirect_error(net::use_task, error));
    buffer.consume(buffer.size());
  }
}

net::Task<> accept(net::Acceptor& acceptor) {
  while (true) {
    auto socket = co_await acceptor.async_accept(net::use_task);
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

}  // namespace

int main() {
  asio::io_context context(1);
  net::Acceptor acceptor(context.get_executor(),
                         net::tcp::endpoint(asio::ip::make_address_v4("127.0.0.1"), 0));
  acceptor.listen(asio::socket_base::max_listen_connections);
  std::cout << acceptor.local_endpoint().port() << std::endl;
  asio::co_spawn(context, accept(acceptor), asio::detached);
  context.run();
}
