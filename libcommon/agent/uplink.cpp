#include "agent/uplink.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <cstdlib>
#include <utility>

#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
using net::now;
using net::wall_clock;

constexpr Millis kFirstPause{1'000};
constexpr Millis kLongestPause{30'000};
/// A connection that lasted this long resets the backoff. Shorter with several masters: the next leader may
/// fail soon after the first one.
constexpr std::chrono::seconds kStable{10};
constexpr std::chrono::seconds kStableOfSeveral{3};
constexpr Millis kProofTimeout{20'000};
/// How long a header signed in advance is used. Masters accept older ones (shards.timestamp_precision), but
/// clocks may differ.
constexpr std::chrono::seconds kHeaderGoodFor{30};
/// With several masters: how long after a loss an election is expected, and the pause between attempts
/// meanwhile.
constexpr std::chrono::seconds kElection{30};
constexpr Millis kElectionPause{750};
/// Clock differences below this are not reported: HTTP dates have whole seconds.
constexpr Millis kClockNoise{2'000};
// Source: WIRE.md, masterVerification.
constexpr std::string_view kProofText = "Look at me, I'm the captain now. ";

/// Waits until `until` or until the timer is cancelled.
net::Task<> wait(net::Timer& timer, Instant until) {
  boost::system::error_code ignored;
  timer.expires_at(until);
  co_await timer.async_wait(asio::redirect_error(net::use_task, ignored));
}

}  // namespace

std::string clock_words(Millis ahead) {
  const auto tenths = std::llabs(ahead.count()) / 100;
  const auto minutes = tenths / 600;
  const auto seconds = std::to_string(tenths / 10 % 60) + '.' + std::to_string(tenths % 10) + " s ";
  return (minutes > 0 ? std::to_string(minutes) + " min " : "") + seconds +
         (ahead.count() < 0 ? "behind" : "ahead of");
}

Uplink::Uplink(asio::io_context& context, asio::thread_pool& pool, UplinkOptions options, UplinkOwner& owner)
    : context_(context),
      pool_(pool),
      config_(options.config),
      process_(options.process),
      name_(config_.name.process(process_)),
      masters_(std::move(options.masters)),
      introduction_(std::move(options.introduction)),
      owner_(owner),
      gone_(context.get_executor()),
      pause_(context.get_executor()),
      tasks_(context.get_executor(), "connection to the master"),
      proof_(context.get_executor()),
      backoff_(kFirstPause, kLongestPause),
      lost_at_(now()) {}

/// An election takes seconds: with several masters, attempts are frequent at first, then follow the backoff.
Millis Uplink::next_pause() {
  const auto pause = backoff_.next(crypto::random_number());
  const bool election = masters_->masters().size() > 1 && now() - lost_at_ < kElection;
  return election ? std::min(pause, kElectionPause + Millis{crypto::random_number() % 500}) : pause;
}

/// Signs the next header, then waits for the rest of the pause.
net::Task<> Uplink::rest(Millis pause) {
  const auto until = now() + pause;
  co_await sign_ahead();
  if (!stopping_) co_await wait(pause_, until);
}

net::Task<std::string> Uplink::authorize() {
  if (header_.empty() || now() > signed_at_ + kHeaderGoodFor) co_await sign();
  co_return std::exchange(header_, {});
}

/// Signs during the pause when there are several masters: on a host with many agents, signing takes most of
/// the time of a reconnect.
net::Task<> Uplink::sign_ahead() {
  if (masters_->masters().size() == 1) co_return;
  if (header_.empty() || now() > signed_at_ + kHeaderGoodFor / 2) co_await sign();
}

net::Task<> Uplink::sign() {
  // Processes of one shard that connect in the same millisecond must not sign the same text: the master
  // accepts each text only once.
  const auto time = std::to_string(to_unix_ms(wall_clock()) + process_);
  const auto& name = config_.name.str();
  const auto text = name + time;
  const auto signature = co_await net::run_in(pool_, [this, &text] { return config_.signer.sign(text); });
  header_ = name + ',' + signature + ',' + time;
  signed_at_ = now();
}

net::Task<> Uplink::run() {
  while (!stopping_) {
    const auto leader = co_await masters_->find();
    if (stopping_) break;
    if (!leader) {
      if (!std::exchange(leaderless_, true)) {
        owner_.uplink_down("none of the " + std::to_string(masters_->masters().size()) + " masters leads now",
                           std::nullopt);
      }
      co_await rest(next_pause());
      continue;
    }
    leaderless_ = false;
    current_ = *leader;
    client_ = std::make_shared<net::EngineClient>(context_, masters_->endpoint(current_), *this,
                                                  process_ > 0 ? "process=" + std::to_string(process_) : "");
    socket_.emplace(*this);
    why_.clear();
    refused_ = false;
    dialled_ = BootClock::now();
    net::EngineClient::Authorize header = [this] { return authorize(); };
    const auto failure = co_await client_->connect(header);
    if (failure) {
      client_->abandon();
      if (!stopping_) failed(*failure);
    } else if (!client_->ended()) {
      co_await wait(gone_, Instant::max());
    }
    if (stopping_) break;
    const auto stable = masters_->masters().size() > 1 ? kStableOfSeveral : kStable;
    if (up_since_ != Instant{} && now() - up_since_ >= stable) {
      backoff_.reset();
      lost_at_ = now();
    }
    up_since_ = {};
    const auto pause = next_pause();
    spdlog::info("{}: connecting again in {}", name_.str(), format_duration(pause));
    co_await rest(pause);
  }
}

void Uplink::stop() {
  stopping_ = true;
  pause_.cancel();
  if (link_ != nullptr) {
    close_session("stopped");
  } else if (client_) {
    client_->abandon();
    gone_.cancel();
  }
}

void Uplink::failed(const net::ConnectFailure& failure) {
  auto why = failure.refused ? "the master refused us: " + failure.message
             : failure.status != 0
                 ? master().url() +
                       " is no master, or something on the way does not let us through: " + failure.message
                 : failure.message;
  std::optional<Millis> ahead;
  if (failure.date) ahead = wall_clock() - *failure.date;
  if (failure.refused && failure.status == 403) {
    const bool off = ahead && std::chrono::abs(*ahead) > kClockNoise;
    why += off ? "; this machine's clock is " + clock_words(*ahead) +
                     " the master's, which allows [shards] timestamp_precision (5m unless set): set the clock"
               : "; its log says why: an unknown or revoked name, another key, or a second master shard";
  }
  if (failure.status == 429) why += "; too many tries from this address";
  owner_.uplink_down(why, ahead);
}

void Uplink::opened(net::Link& link, Instant) {
  link_ = &link;
  ++generation_;
  max_payload_ = client_->max_payload();
  socket_->open(introduction_);
  proof_.expires_after(kProofTimeout);
  proof_.async_wait([this](boost::system::error_code error) {
    if (!error && link_ != nullptr && !up_) close_session("the master did not prove itself in time");
  });
}

void Uplink::receive(bool binary, std::string_view data) {
  if (up_) owner_.uplink_heard();
  socket_->receive(binary, data);
}

void Uplink::closed(engineio::CloseReason reason) {
  link_ = nullptr;
  up_ = false;
  proof_.cancel();
  const auto why = why_.empty() ? "the connection to the master was lost: " +
                                      std::string(reason == engineio::CloseReason::server_close
                                                      ? "it ended it"
                                                      : engineio::to_string(reason))
                                : why_;
  fail_pending(why);
  if (!refused_) owner_.uplink_down(why, std::nullopt);
  gone_.cancel();
}

/// The connection may be about to fail: prepare the header for the next one.
void Uplink::ping_is_late() { tasks_.spawn("sign ahead", sign_ahead()); }

void Uplink::send_frame(const engineio::Frame& frame) {
  if (link_ != nullptr) link_->send_frame(frame);
}

void Uplink::close_session(std::string_view why) {
  why_ = why;
  if (link_ != nullptr) link_->close_session();
}

void Uplink::joined() { spdlog::debug("{}: joined; waiting for the master's proof", name_.str()); }

void Uplink::verify_master(const socketio::Arguments& arguments) {
  const auto signature = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  const auto text = arguments.json.size() < 2 ? std::nullopt : json::unquote(arguments.json[1]);
  const bool signed_by_master = signature && text && text->starts_with(kProofText) &&
                                crypto::verify(config_.master_key, *text, *signature);
  const auto time = signed_by_master
                        ? parse_int<std::int64_t>(std::string_view(*text).substr(kProofText.size()))
                        : std::nullopt;
  if (!time) {
    spdlog::error(
        "{}: the server at {} is not our master: its signature does not fit the config's masterPubKey; "
        "it is not obeyed, and left",
        name_.str(), master().url());
    return close_session("the server did not prove that it is our master");
  }
  const auto ahead = wall_clock() - from_unix_ms(*time);
  if (std::chrono::abs(ahead) > kProofPrecision) {
    // An old proof may be a replay.
    spdlog::error("{}: the master's proof is not of now: this machine's clock is {} the master's; it is left",
                  name_.str(), clock_words(ahead));
    return close_session("the master's proof is too old, or the clocks differ");
  }
  proof_.cancel();
  if (arguments.json.size() > 2) {
    const auto why = json::unquote(arguments.json[2]).value_or("another agent has this shard's place");
    refused_ = true;
    owner_.uplink_refused("the master refused us: " + why);
    return close_session(why);
  }
  up_ = true;
  up_since_ = now();
  owner_.uplink_up(ahead);
}

void Uplink::event(std::string_view name, std::optional<socketio::AckId> ack_id,
                   socketio::Arguments arguments) {
  if (name == "masterVerification") {
    if (!up_) verify_master(arguments);
  } else if (up_) {
    owner_.uplink_event(name, ack_id, std::move(arguments));
  } else {
    spdlog::warn("{}: \"{}\" came before the master proved itself; ignored", name_.str(), name.substr(0, 64));
  }
}

void Uplink::emit(std::string_view event, const std::vector<std::string_view>& arguments) {
  if (!up_) return;
  auto bytes = event.size() + kPacketOverhead;
  for (const auto argument : arguments) bytes += argument.size() + 1;
  if (bytes > max_payload_) {
    // The master would end the connection. Mostly the bot's doing, so no line in the log for each.
    spdlog::debug("{}: \"{}\" has {} bytes, more than the master takes; not sent", name_.str(), event, bytes);
    return;
  }
  for (const auto& frame : socketio::encode_event(socketio::kMainNamespace, event, std::nullopt, arguments)) {
    send_frame(frame);
  }
}

void Uplink::request(std::string_view event, const std::vector<std::string_view>& arguments,
                     const std::vector<std::string>& attachments, Millis timeout, Answer answer) {
  if (!up_) return answer(nullptr, "not connected to the master");
  const auto id = next_id_++;
  auto timer = std::make_unique<net::Timer>(context_.get_executor(), timeout);
  timer->async_wait([this, id, timeout](boost::system::error_code error) {
    if (error) return;
    auto node = pending_.extract(id);
    if (!node.empty()) {
      node.mapped().answer(nullptr, "the master did not answer within " + format_duration(timeout));
    }
  });
  pending_.emplace(id, Pending{std::move(answer), std::move(timer)});
  for (const auto& frame :
       socketio::encode_event(socketio::kMainNamespace, event, id, arguments, attachments)) {
    send_frame(frame);
  }
}

void Uplink::ack(socketio::AckId id, const std::vector<std::string_view>& arguments) {
  if (!up_) return;
  for (const auto& frame : socketio::encode_ack(socketio::kMainNamespace, id, arguments)) send_frame(frame);
}

void Uplink::acked(socketio::AckId ack_id, socketio::Arguments arguments) {
  auto node = pending_.extract(ack_id);
  if (!node.empty()) node.mapped().answer(&arguments, {});
}

void Uplink::fail_pending(std::string_view why) {
  for (auto& [id, pending] : std::exchange(pending_, {})) pending.answer(nullptr, why);
}

}  // namespace smaster::agent
