#include "agent/output_feed.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::agent {
namespace {

constexpr std::size_t kDeathLines = 20;  // a stack of Node.js has as many
constexpr std::size_t kDeathBytes = 2'048;
constexpr std::size_t kMostBytes = 256u << 10;  ///< of an answer
constexpr Millis kLongestFollow{300'000};
constexpr Millis kLeastEvery{50};
constexpr Millis kMostEvery{10'000};
constexpr std::int64_t kLongestAge = 366LL * 24 * 3'600'000;
/// While more bytes than this are queued for the master, no lines are sent.
constexpr std::size_t kMostQueued = 256u << 10;
/// Maximum number of bytes that wait for the disk.
constexpr std::size_t kMostUnwritten = 1u << 20;

/// "2026-11-28T21:07:13.052Z out text"
std::string file_line(Time time, OutputStream stream, std::string_view text) {
  const auto ms = to_unix_ms(time);
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {} {}\n", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms % 1000,
                     stream == OutputStream::out   ? "out"
                     : stream == OutputStream::err ? "err"
                                                   : "note",
                     text);
}

}  // namespace

OutputFeed::OutputFeed(net::asio::io_context& context, Uplink& uplink, std::size_t most, std::string secret)
    : uplink_(uplink),
      ring_(most, std::move(secret)),
      id_(crypto::random_token(8)),
      timer_(context.get_executor()) {}

void OutputFeed::output(std::string_view packet) {
  ring_.take(packet);
  arm();
}

void OutputFeed::note(std::string_view text) {
  ring_.add(net::wall_clock(), OutputStream::note, text);
  arm();
}

std::vector<std::string> OutputFeed::last_lines() const {
  return ring_.tail(started_, kDeathLines, kDeathBytes);
}

std::string OutputFeed::batch(const OutputRing::Wanted& wanted) {
  return R"({"ring":")" + id_ + R"(","next":)" + std::to_string(ring_.newest()) + R"(,"lines":)" +
         ring_.select(wanted) + '}';
}

Outcome OutputFeed::answer(std::string_view question) {
  const auto value = json::parse(question);
  if (!value || !value->is_object()) return error_outcome("TypeError", "logs takes an object");
  const auto& object = value->get_object();
  std::int64_t lines = -1;
  std::int64_t age = -1;
  std::int64_t after = -1;
  std::int64_t bytes = kMostBytes;
  std::int64_t follow = -1;
  std::int64_t every = every_.count();
  std::int64_t rate = kMostBytes;
  std::string ring;
  for (const auto& [key, to] : {std::pair("lines", &lines),
                                {"age", &age},
                                {"after", &after},
                                {"bytes", &bytes},
                                {"follow", &follow},
                                {"every", &every},
                                {"rate", &rate}}) {
    json::read(object, key, *to);
  }
  json::read(object, "ring", ring);

  send();  // an earlier follower gets its lines before this answer: it needs no line twice
  OutputRing::Wanted wanted;
  wanted.bytes =
      std::min(static_cast<std::size_t>(std::clamp<std::int64_t>(bytes, 1'024, kMostBytes)), room());
  const bool goes_on = ring == id_ && after >= 0;
  if (goes_on) {
    wanted.after = static_cast<std::uint64_t>(after);
  } else if (age >= 0) {
    wanted.since = net::wall_clock() - Millis{std::min(age, kLongestAge)};
  }
  if (lines >= 0) wanted.lines = static_cast<std::size_t>(lines);
  auto answer = batch(wanted);
  if (follow >= 0) {
    until_ = net::now() + std::min(Millis{follow}, kLongestFollow);
    every_ = std::clamp(Millis{every}, kLeastEvery, kMostEvery);
    rate_ = static_cast<std::size_t>(std::clamp<std::int64_t>(rate, 512, kMostBytes));
    cursor_ = ring_.newest();
    generation_ = uplink_.generation();
  }
  return {true, std::move(answer)};
}

/// Bytes of lines that fit into a message to this master.
std::size_t OutputFeed::room() const {
  return uplink_.max_payload() - std::min(uplink_.max_payload(), 2 * kPacketOverhead);
}

bool OutputFeed::follows() const {
  return uplink_.up() && generation_ == uplink_.generation() && net::now() < until_;
}

/// Sends the first lines at once, and combines later ones.
void OutputFeed::arm() {
  if (!follows() || std::exchange(armed_, true)) return;
  timer_.expires_at(std::max(net::now(), sent_ + every_));
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    armed_ = false;
    send();
  });
}

void OutputFeed::send() {
  if (!follows() || cursor_ == ring_.newest()) return;
  if (uplink_.queued() > kMostQueued) {
    sent_ = net::now();
    return arm();
  }
  OutputRing::Wanted wanted;
  wanted.after = cursor_;
  wanted.bytes =
      std::min(std::max<std::size_t>(rate_ * static_cast<std::size_t>(every_.count()) / 1'000, 512), room());
  cursor_ = ring_.newest();
  sent_ = net::now();
  uplink_.emit("logLines", {batch(wanted)});
}

void OutputFeed::write_to(std::unique_ptr<LogFile> file, net::asio::thread_pool& pool,
                          net::TaskScope& tasks) {
  file_ = std::move(file);
  start_writing_ = [this, &pool, &tasks] { tasks.spawn("write a bot's output", write_lines(pool)); };
  ring_.on_line = [this](Time time, OutputStream stream, const std::string& text) {
    write(time, stream, text);
  };
}

void OutputFeed::write(Time time, OutputStream stream, const std::string& text) {
  if (unwritten_.size() > kMostUnwritten) {
    ++lost_;
    return;
  }
  if (lost_ > 0) unwritten_ += file_line(time, OutputStream::note, dropped_words(std::exchange(lost_, 0)));
  unwritten_ += file_line(time, stream, text);
  if (!writing_) start_writing_();
}

/// Lines that come meanwhile are written together.
net::Task<> OutputFeed::write_lines(net::asio::thread_pool& pool) {
  const auto busy = writing_.begin();
  while (!unwritten_.empty()) {
    const auto lines = std::exchange(unwritten_, {});
    const auto now = net::wall_clock();
    const auto written = co_await net::run_in(pool, [&] { return file_->write(lines, now); });
    if (!written && !failing_) {
      spdlog::error("{}; lines of the bot's output are lost", written.error().message);
    } else if (written && failing_) {
      spdlog::info("the bot's output is written to files again");
    }
    failing_ = !written.has_value();
  }
}

void OutputFeed::stop() {
  until_ = {};
  timer_.cancel();
}

}  // namespace smaster::agent
