#include "conformance/echo_main.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <iostream>

#include "net/engineio/http_listener.hpp"

namespace smaster::conformance {
namespace {

class EchoApplication final : public net::Application {
 public:
  explicit EchoApplication(std::unique_ptr<net::Upper> (*make_upper)()) : make_upper_(make_upper) {}
  net::Task<net::Admission> admit(net::HandshakeRequest) override { co_return make_upper_(); }
  net::Task<net::Answer> answer(const net::Request& request, const net::asio::ip::address&) override {
    net::Response response(boost::beast::http::status::not_found, request.version());
    response.prepare_payload();
    co_return response;
  }

 private:
  std::unique_ptr<net::Upper> (*make_upper_)();
};

}  // namespace

int serve_echo(int argc, char** argv, const std::string& path, std::unique_ptr<net::Upper> (*make_upper)()) {
  std::uint16_t port = 3000;
  int ping_timeout = 200;
  CLI::App app("Echo server for the protocol's public conformance suite");
  app.add_option("--port", port, "Port on 127.0.0.1; 0 takes a free one")->capture_default_str();
  app.add_option("--ping-timeout", ping_timeout,
                 "In ms; what the suite expects is too short for a busy machine")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  net::EngineOptions options;
  options.engine.ping_interval = Millis{300};
  options.engine.ping_timeout = Millis{ping_timeout};
  options.engine.max_payload = 1'000'000;
  options.path = path;
  options.cors_origin = "*";

  net::asio::io_context context(1);
  EchoApplication application(make_upper);
  net::EngineServer engine(context, options, application);
  net::Descriptors descriptors(context);
  net::HttpListener listener(context, engine, application, descriptors);
  // The suites connect to "localhost", which may be either loopback; the IPv6 socket takes both, where there
  // is IPv6.
  auto listening = listener.listen("::", port);
  if (!listening) listening = listener.listen("127.0.0.1", port);
  if (!listening) {
    std::cerr << listening.error().message << '\n';
    return 1;
  }
  std::cout << "listening on " << listener.endpoint().port() << std::endl;
  net::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
  context.run();
  return 0;
}

}  // namespace smaster::conformance
