// Requests of any kind to the control socket of a server with two shards: each is answered, and none brings
// it down.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <boost/asio/detached.hpp>
#include <boost/beast/http.hpp>

#include "net/engineio/server.hpp"
#include "server/api/control_api.hpp"
#include "server/process/wiring.hpp"

namespace {

using namespace smaster;
namespace http = boost::beast::http;

/// A store that takes everything and has nothing.
class NoStore final : public store::FileStore {
 public:
  Result<std::vector<fleet::ShardInfo>> load_registry() override {
    return std::vector{fleet::ShardInfo(*ShardName::parse("aaa")),
                       fleet::ShardInfo(*ShardName::parse("abc"))};
  }
  Result<void> save(const std::vector<fleet::ShardInfo>&) override { return {}; }
  Result<void> remove(const std::vector<ShardName>&) override { return {}; }
  Result<void> forget(const std::vector<ShardName>&) override { return {}; }
  Result<std::vector<std::string>> notes() override { return std::vector<std::string>(); }
  Result<std::string> load_note(const std::string&) override { return std::string(); }
  Result<void> save_note(const std::string&, const std::string&) override { return {}; }
  Result<std::vector<fleet::SampleBlock>> load_history(const ShardName&, Time) override {
    return std::vector<fleet::SampleBlock>();
  }
  Result<void> save_history(const std::vector<fleet::SampleBlock>&, Time) override { return {}; }
  Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery&) override {
    return std::vector<fleet::Event>();
  }
  Result<void> save_events(const std::vector<fleet::Event>&, Time, std::size_t) override { return {}; }
};

class NoApplication final : public net::Application {
 public:
  net::Task<net::Admission> admit(net::HandshakeRequest) override { co_return net::Refusal{}; }
  net::Task<net::Answer> answer(const net::Request&, const net::asio::ip::address&) override {
    co_return net::Response();
  }
};

server::Settings settings() {
  server::Settings values;
  values.state_dir = std::filesystem::temp_directory_path();
  values.count = ShardCount{2};
  values.auto_generate = false;
  return values;
}

const std::string& master_key() {
  static const auto key = crypto::generate_key_pair(2048)->private_pem;
  return key;
}

/// These would take seconds each, or are the database's to parse.
bool left_out(const control::Call& call) {
  return call.path == "/v1/genconfig" || call.path == "/v1/keys/rotation" || call.path == "/v1/sql" ||
         call.path == "/v1/log-level";
}

net::Task<Result<std::string>> no_more() { co_return std::string(); }

struct Server {
  net::asio::io_context context;
  NoStore store;
  NoApplication application;
  server::Wiring wiring{context, settings(), store, store, *crypto::Signer::load(master_key())};
  net::EngineServer engine{context, {}, application};
  const server::ControlParts parts = wiring.control_parts(engine);

  Server() {
    wiring.restart = [] {};
    wiring.reload_keys = []() -> net::Task<Result<void>> { co_return Result<void>(); };
    auto kept = wiring.store.read();
    if (!kept) std::abort();
    wiring.registration.take(std::move(*kept));
    wiring.leadership.lease_until(server::Leadership::kForGood);
    wiring.leadership.begin();
  }
  net::Task<> handle(control::Call call) {
    const server::ControlContext request{parts, [] {}};
    answer = co_await server::handle_control(request, std::move(call));
  }
  std::optional<control::Answer> answer;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::request_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(1 << 20);
  boost::system::error_code error;
  parser.put(net::asio::buffer(data, size), error);
  if (error || !parser.is_header_done()) return 0;
  auto call = control::to_call(parser.get());
  call.body = parser.get().body();
  call.next_piece = no_more;
  if (left_out(call)) return 0;

  Server server;
  net::asio::co_spawn(server.context, server.handle(std::move(call)), net::asio::detached);
  while (!server.answer && server.context.run_one() > 0) {
  }
  if (!server.answer) std::abort();
  // The client goes away, however long the answer would have become.
  if (const auto* const lines = std::get_if<std::shared_ptr<control::LineStream>>(&*server.answer)) {
    if ((*lines)->on_gone) std::exchange((*lines)->on_gone, nullptr)();
  }
  if (const auto* const reply = std::get_if<control::Reply>(&*server.answer); reply && reply->status >= 500) {
    std::abort();
  }
  return 0;
}
