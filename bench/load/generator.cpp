// Thousands of shards in one process, for bench/run: they do what they are told on stdin, a line a command,
// and answer each with a line of JSON. Speaks WIRE.md's protocol by hand, so that it costs little and is the
// same for every server.
//
//   connect N      N more shards, authenticated, 64 at a time; {count, ms}
//   storm N        the same all at once, while those that are there report four times a second;
//                  {count, ms until all are served, p50_us and p99_us of the reports' answers}
//   raw N          N more plain websockets, for the floor
//   status R       each shard sends R statuses, one after the other's update; {count, ms, p50_us, p99_us}
//   flood R        each shard sends R statuses without waiting for anything; {count, ms}
//   paced R        R statuses a second for 5 s, one shard after the other, as in use; {count, ms}
//   echo R         each plain websocket sends R messages of a status' size and waits for each
//   eval R         the first shard broadcasts R evals, one after the other; {replies, p50_us, p99_us}
//   drop           all connections are closed
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>

#include "base/text.hpp"
#include "net/asio.hpp"
#include "net/clock.hpp"

namespace {

using namespace smaster;
namespace asio = net::asio;
namespace websocket = boost::beast::websocket;
using Clock = std::chrono::steady_clock;

/// Signs as shards do, with OpenSSL, so that thousands of them are soon there.
class Signer {
 public:
  explicit Signer(const char* file) {
    if (auto* const in = BIO_new_file(file, "r")) {
      key_.reset(PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr));
      BIO_free(in);
    }
  }
  [[nodiscard]] bool good() const { return key_ != nullptr; }
  [[nodiscard]] std::string sign(const std::string& text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::vector<unsigned char> raw(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
    auto size = raw.size();
    EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(digest.get(), raw.data(), &size, reinterpret_cast<const unsigned char*>(text.data()),
                   text.size());
    std::string base64((size + 2) / 3 * 4 + 1, '\0');
    base64.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                                           raw.data(), static_cast<int>(size))));
    return base64;
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
};

struct Load {
  explicit Load(const char* key_file) : signer(key_file) {}

  asio::io_context context{1};
  std::uint16_t port = 0;
  Signer signer;
  std::vector<double> waits;  ///< microseconds
  std::size_t left = 0;       ///< answers until the command is done
  net::Timer done{context.get_executor()};

  void answered() {
    if (left > 0 && --left == 0) done.cancel();
  }
};

std::string name_of(std::size_t n) {
  std::string name(4, 'a');
  for (std::size_t i = 4; i-- > 0; n /= 26) name[i] = static_cast<char>('a' + n % 26);
  return name;
}

double us_since(Clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(Load& load, std::size_t n) : load_(load), n_(n), name_(name_of(n)) {}

  void sign() {
    const auto time = std::to_string(to_unix_ms(net::wall_clock()));
    header_ = name_ + ',' + load_.signer.sign(name_ + time) + ',' + time;
  }

  /// With the header that was signed; without one it is a plain websocket.
  net::Task<bool> connect() {
    constexpr std::size_t kAddresses = 8;
    boost::system::error_code error;
    stream_.emplace(load_.context);
    stream_->secure_prng(false);
    auto& socket = stream_->next_layer();
    socket.open(net::tcp::v4(), error);
    const auto own = asio::ip::address_v4(0x7F000002u + static_cast<std::uint32_t>(n_ % kAddresses));
    socket.bind({own, 0}, error);
    const net::tcp::endpoint server(asio::ip::make_address_v4("127.0.0.1"), load_.port);
    if (!error) co_await socket.async_connect(server, asio::redirect_error(net::use_task, error));
    if (error) co_return false;
    socket.set_option(net::tcp::no_delay(true), error);
    const auto header = header_;
    stream_->set_option(websocket::stream_base::decorator([header](websocket::request_type& request) {
      if (!header.empty()) request.set(boost::beast::http::field::authorization, header);
    }));
    const std::string target = header.empty() ? "/" : "/socket.io/master/?EIO=4&transport=websocket";
    co_await stream_->async_handshake("127.0.0.1", target, asio::redirect_error(net::use_task, error));
    if (error) co_return false;
    stream_->set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
    read();
    co_return true;
  }

  void status(std::size_t rounds) {
    rounds_ = rounds;
    next_status();
  }
  /// One status, whose answer nobody waits for.
  void probe() {
    if (!waiting_) next_status();
  }
  void report() { send(status_text()); }
  void flood(std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) send(status_text());
    send("420[\"sync\"]");  // whatever it is taken for, its answer comes after the statuses
  }
  void echo(std::size_t rounds) {
    rounds_ = rounds;
    echoing_ = true;
    next_status();
  }
  void eval(std::size_t rounds) {
    rounds_ = rounds;
    next_eval();
  }
  void drop() {
    boost::system::error_code ignored;
    stream_->next_layer().close(ignored);
  }
  [[nodiscard]] bool open() const { return stream_->next_layer().is_open(); }

 private:
  void next_status() {
    begun_ = Clock::now();
    waiting_ = true;
    send(status_text());
  }
  void next_eval() {
    begun_ = Clock::now();
    evaluating_ = true;
    send("421[\"broadcastEval\",\"this.id\"]");
  }

  /// As large as a real one: 1.4 kB, with its machine's processors.
  std::string status_text() {
    const auto now = std::to_string(to_unix_ms(net::wall_clock()));
    std::string cpus;
    for (int i = 0; i < 8; ++i) {
      cpus +=
          std::string(i == 0 ? "" : ",") +
          R"({"model":"Intel(R) Xeon(R) CPU @ 2.20GHz","speed":2200,"times":{"user":1234567,"nice":0,"sys":345678,"idle":98765432,"irq":0}})";
    }
    return R"(42["status",{"id":")" + name_ + R"(","goalShardId":)" + id_ + R"(,"goalShardCount":)" + count_ +
           R"(,"currentShardId":)" + id_ + R"(,"currentShardCount":)" + count_ + R"(,"timestamp":)" + now +
           R"(,"startTime":1700000000000,"stopTime":0,"ping":42,"messageCountTotal":123456,"messageCountDelta":12,"memHeapUsed":52428800,"memHeapTotal":62914560,"memRSS":94371840,"memExternal":1048576,"storageUsedTotal":1000000,"storageUsedUsers":10000,"cpuLoad":[3.5,4.5],"versions":"bench","isMaster":false,"cpus":[)" +
           cpus + "]}]";
  }

  void read() {
    stream_->async_read(buffer_, [self = shared_from_this()](boost::system::error_code error, std::size_t) {
      if (error) return;
      const auto data = self->buffer_.cdata();
      self->receive({static_cast<const char*>(data.data()), data.size()});
      self->buffer_.consume(self->buffer_.size());
      self->read();
    });
  }

  void receive(std::string_view text) {
    if (echoing_) {
      answered_status();
    } else if (text == "2") {
      send("3");
    } else if (text.starts_with('0')) {
      send("40");
    } else if (text.starts_with("42[\"masterVerification\"")) {
      load_.answered();
    } else if (text.starts_with("42[\"update\"")) {
      id_ = number(text, "\"id\":");
      count_ = number(text, "\"count\":");
      if (waiting_) answered_status();
    } else if (text.starts_with("43")) {
      if (!evaluating_) return load_.answered();
      evaluating_ = false;
      load_.waits.push_back(us_since(begun_));
      if (--rounds_ > 0) return next_eval();
      load_.answered();
    } else if (const auto at = text.find("[\"evalRequest\""); text.starts_with("42") && at != text.npos) {
      send("43" + std::string(text.substr(2, at - 2)) + "[null," + id_ + ']');
    }
  }

  void answered_status() {
    waiting_ = false;
    load_.waits.push_back(us_since(begun_));
    if (rounds_ == 0) return;  // a probe's
    load_.answered();
    if (--rounds_ > 0) next_status();
  }

  static std::string number(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == text.npos) return "-1";
    const auto from = at + key.size();
    return std::string(text.substr(from, text.find_first_not_of("-0123456789", from) - from));
  }

  void send(std::string text) {
    queue_.push_back(std::move(text));
    if (queue_.size() == 1) write();
  }
  void write() {
    stream_->text(true);
    stream_->async_write(asio::buffer(queue_.front()),
                         [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                           if (error) return;
                           self->queue_.pop_front();
                           if (!self->queue_.empty()) self->write();
                         });
  }

  Load& load_;
  std::size_t n_;
  std::string name_;
  std::string header_;
  std::optional<websocket::stream<net::Socket>> stream_;
  boost::beast::flat_buffer buffer_;
  std::deque<std::string> queue_;
  std::string id_ = "-1", count_ = "-1";
  std::size_t rounds_ = 0;
  Clock::time_point begun_;
  bool waiting_ = false, evaluating_ = false, echoing_ = false;
};

using Shards = std::vector<std::shared_ptr<Shard>>;

std::string percentiles(std::vector<double>& waits) {
  if (waits.empty()) return "";
  std::sort(waits.begin(), waits.end());
  const auto at = [&](double part) {
    return std::to_string(waits[std::min(
        waits.size() - 1, static_cast<std::size_t>(part * static_cast<double>(waits.size())))]);
  };
  auto text = ",\"p50_us\":" + at(0.5) + ",\"p99_us\":" + at(0.99);
  waits.clear();
  return text;
}

/// Waits until as many answers have come as the command wants.
net::Task<> all_answered(Load& load) {
  if (load.left == 0) co_return;
  load.done.expires_at(net::Timer::time_point::max());
  boost::system::error_code ignored;
  co_await load.done.async_wait(asio::redirect_error(net::use_task, ignored));
}

net::Task<> connect_some(Load& load, Shards& shards, std::shared_ptr<std::size_t> next, std::size_t end,
                         bool raw, std::shared_ptr<std::size_t> workers, net::Timer& finished) {
  while (*next < end) {
    auto shard = std::make_shared<Shard>(load, (*next)++);
    if (!raw) shard->sign();
    const bool good = co_await shard->connect();
    if (!good) {
      load.answered();
      continue;
    }
    shards.push_back(std::move(shard));
  }
  if (--*workers == 0) finished.cancel();
}

net::Task<> connect(Load& load, Shards& shards, std::size_t count, bool raw) {
  constexpr std::size_t kAtOnce = 64;
  const auto next = std::make_shared<std::size_t>(shards.size());
  const auto workers = std::make_shared<std::size_t>(kAtOnce);
  net::Timer finished(load.context.get_executor(), net::Timer::time_point::max());
  load.left = raw ? 0 : count;
  const auto end = *next + count;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    asio::co_spawn(load.context, connect_some(load, shards, next, end, raw, workers, finished),
                   asio::detached);
  }
  boost::system::error_code ignored;
  co_await finished.async_wait(asio::redirect_error(net::use_task, ignored));
  co_await all_answered(load);
}

/// Tries again and again, as shards do.
net::Task<> connect_for_sure(Load& load, std::shared_ptr<Shard> shard) {
  net::Timer pause(load.context.get_executor());
  while (!co_await shard->connect()) {
    pause.expires_after(std::chrono::milliseconds(500));
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }
}

net::Task<> report_meanwhile(Load& load, Shards& shards) {
  net::Timer pause(load.context.get_executor());
  while (load.left > 0) {
    for (const auto& shard : shards) shard->probe();
    pause.expires_after(std::chrono::milliseconds(250));
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }
}

/// Signs first: that is the shards' work, on their machines.
net::Task<Clock::time_point> storm(Load& load, Shards& shards, std::size_t count) {
  Shards fresh;
  for (std::size_t i = 0; i < count; ++i) {
    fresh.push_back(std::make_shared<Shard>(load, shards.size() + i));
    fresh.back()->sign();
  }
  load.left = count;
  const auto begun = Clock::now();
  for (const auto& shard : fresh) asio::co_spawn(load.context, connect_for_sure(load, shard), asio::detached);
  asio::co_spawn(load.context, report_meanwhile(load, shards), asio::detached);
  co_await all_answered(load);
  shards.insert(shards.end(), fresh.begin(), fresh.end());
  co_return begun;
}

net::Task<std::size_t> paced(Load& load, Shards& shards, std::size_t rate) {
  constexpr std::size_t kSeconds = 5;
  net::Timer next(load.context.get_executor());
  const auto begun = Clock::now();
  const auto count = rate * kSeconds;
  for (std::size_t i = 0; i < count; ++i) {
    next.expires_at(begun + i * std::chrono::nanoseconds(std::chrono::seconds(1)) / rate);
    boost::system::error_code ignored;
    co_await next.async_wait(asio::redirect_error(net::use_task, ignored));
    shards[i % shards.size()]->report();
  }
  co_return count;
}

net::Task<> obey(Load& load) {
  asio::posix::basic_stream_descriptor<net::Executor> input(load.context.get_executor(), ::dup(STDIN_FILENO));
  asio::streambuf buffer;
  Shards shards;
  while (true) {
    boost::system::error_code error;
    co_await asio::async_read_until(input, buffer, '\n', asio::redirect_error(net::use_task, error));
    if (error) break;
    std::istream stream(&buffer);
    std::string line, command;
    std::getline(stream, line);
    std::size_t number = 0;
    std::istringstream(line) >> command >> number;
    auto begun = Clock::now();
    std::size_t count = shards.size() * number;
    if (command == "connect" || command == "raw") {
      co_await connect(load, shards, number, command == "raw");
      count = shards.size();
    } else if (command == "storm") {
      begun = co_await storm(load, shards, number);
      count = number;
    } else if (command == "paced") {
      count = co_await paced(load, shards, number);
    } else if (command == "drop") {
      for (const auto& shard : shards) shard->drop();
      shards.clear();
    } else {
      load.left = command == "eval" ? 1 : command == "flood" ? shards.size() : count;
      if (command == "eval") shards.front()->eval(number);
      for (const auto& shard : shards) {
        if (command == "status") shard->status(number);
        if (command == "flood") shard->flood(number);
        if (command == "echo") shard->echo(number);
      }
      co_await all_answered(load);
    }
    std::cout << "{\"count\":" << count << ",\"ms\":" << us_since(begun) / 1000 << percentiles(load.waits)
              << "}\n"
              << std::flush;
  }
  load.context.stop();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "generator PORT PRIVATE_KEY.pem\n";
    return 64;
  }
  Load load(argv[2]);
  load.port = parse_int<std::uint16_t>(argv[1]).value_or(0);
  if (!load.signer.good()) {
    std::cerr << argv[2] << " is no private key\n";
    return 65;
  }
  asio::co_spawn(load.context, obey(load), asio::detached);
  load.context.run();
}
