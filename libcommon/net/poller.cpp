#include "net/poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "net/clock.hpp"

namespace smaster::net {
namespace {

/// What becomes ready within this time is handled together if many sockets are: each wake-up costs more than
/// reading a status.
constexpr Millis kTogether{10};
/// Number of sockets that must have been readable in the last window of kTogether for that. A single client
/// that sends its next message after an answer never waits.
constexpr std::uint32_t kMany = 3;
/// Maximum time that sockets are handled in one turn of the loop.
constexpr Millis kTurn{2};
/// A read is limited to this, in bytes: the buffer stays in the CPU's cache.
constexpr std::size_t kBuffer = 64 * 1024;

/// A key as epoll keeps it.
std::uint64_t packed(Poller::Key key) { return std::uint64_t{key.turn} << 32 | key.slot; }

}  // namespace

asio::execution_context::id Poller::id;

Poller::Poller(asio::execution_context& context)
    : service(context),
      context_(static_cast<asio::io_context&>(context)),
      waiting_(context_.get_executor()),
      pause_(context_.get_executor()),
      buffer_(kBuffer) {}

void Poller::shutdown() {
  stop_waiting();
  // Destroys what they keep alive, which may remove other entries.
  const auto watched = std::exchange(watched_, {});
  const auto to_flush = std::exchange(to_flush_, {});
}

boost::system::error_code Poller::add(int socket, std::shared_ptr<Ready> ready, Key& key) {
  const auto failed = [] { return boost::system::error_code(errno, boost::system::system_category()); };
  if (!set_) set_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!set_) return failed();
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(watched_.size()));
    watched_.emplace_back();
  }
  const auto slot = free_.back();
  const Key fresh{slot, watched_[slot].turn};
  epoll_event event{EPOLLIN, {.u64 = packed(fresh)}};
  if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, socket, &event) != 0) return failed();
  key = fresh;
  free_.pop_back();
  watched_[slot].ready = std::move(ready);
  watched_[slot].socket = socket;
  if (!std::exchange(runs_, true)) wait();
  return {};
}

void Poller::watch_for_data(int socket, Key key, bool and_writable) {
  epoll_event event{EPOLLIN | (and_writable ? EPOLLOUT : 0u), {.u64 = packed(key)}};
  ::epoll_ctl(set_.get(), EPOLL_CTL_MOD, socket, &event);
}

void Poller::remove(int socket, Key key) {
  if (key.slot >= watched_.size() || watched_[key.slot].turn != key.turn) return;
  ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, socket, nullptr);
  ++watched_[key.slot].turn;
  free_.push_back(key.slot);
  // It may be destroyed at the end of this function.
  const auto last = std::exchange(watched_[key.slot].ready, nullptr);
  if (watches()) return;
  // A loop without sockets may end.
  stop_waiting();
  pause_.cancel();
}

void Poller::stop_waiting() {
  if (waiting_.is_open()) (void)waiting_.release();
}

void Poller::wait() {
  if (!waiting_.is_open()) waiting_.assign(set_.get());
  waiting_.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code) { run(); });
}

void Poller::run() {
  runs_ = watches();
  if (!runs_) return;
  const auto begun = Clock::now();
  begin_window(begun);
  flush_is_due_ = true;
  const bool more = handle_ready(begun);
  flush_some();
  runs_ = watches();
  if (!runs_) return;
  if (more) return asio::post(context_, [this] { run(); });
  if (!std::exchange(hurries_, false) && busy_) return pause_until(begun + kTogether);
  wait();
}

void Poller::pause_until(Instant when) {
  stop_waiting();
  pause_.expires_at(when);
  pause_.async_wait([this](boost::system::error_code) { run(); });
}

void Poller::begin_window(Instant now) {
  if (now < window_end_) return;
  busy_ = readable_ >= kMany && now < window_end_ + kTogether;
  window_end_ = now + kTogether;
  readable_ = 0;
  ++window_;
}

bool Poller::handle_ready(Instant begun) {
  constexpr int kAtOnce = 16;
  std::array<epoll_event, kAtOnce> events{};
  while (watches()) {
    const int count = ::epoll_wait(set_.get(), events.data(), kAtOnce, 0);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      handle(event.data.u64, event.events);
    }
    if (count < kAtOnce) return false;
    if (Clock::now() >= begun + kTurn) return true;
  }
  return false;
}

void Poller::handle(std::uint64_t key, std::uint32_t events) {
  const auto slot = static_cast<std::uint32_t>(key);
  const auto turn = static_cast<std::uint32_t>(key >> 32);
  // An earlier one of this turn may have removed it.
  const auto is_there = [&] { return slot < watched_.size() && watched_[slot].turn == turn; };
  if (!is_there()) return;
  const auto ready = watched_[slot].ready;
  if (std::exchange(watched_[slot].window, window_) != window_) ++readable_;
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) guarded(*ready, [&] { ready->readable(); });
  if ((events & EPOLLOUT) == 0 || !is_there()) return;
  watch_for_data(watched_[slot].socket, {slot, turn}, false);
  guarded(*ready, [&] { ready->writable(); });
}

void Poller::flush_soon(std::shared_ptr<Ready> ready) {
  to_flush_.push_back(std::move(ready));
  if (!std::exchange(flush_is_due_, true)) asio::post(context_, [this] { flush_some(); });
}

void Poller::flush_some() {
  const auto until = Clock::now() + kTurn;
  std::size_t at = 0;
  // Looks at the clock now and then only. A flush may add others at the end.
  for (; at < to_flush_.size() && (at % 16 != 15 || Clock::now() < until); ++at) {
    const auto ready = std::move(to_flush_[at]);
    guarded(*ready, [&] { ready->flush(); });
  }
  to_flush_.erase(to_flush_.begin(), to_flush_.begin() + static_cast<std::ptrdiff_t>(at));
  flush_is_due_ = !to_flush_.empty();
  if (flush_is_due_) asio::post(context_, [this] { flush_some(); });
}

}  // namespace smaster::net
