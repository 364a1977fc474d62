#include "net/transport.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace smaster::net {
namespace {

class PlainTransport final : public Transport {
 public:
  PlainTransport(Fd socket, Place place, Poller& poller)
      : poller_(poller), socket_(std::move(socket)), place_(std::move(place)) {}
  PlainTransport(const PlainTransport&) = delete;
  PlainTransport& operator=(const PlainTransport&) = delete;
  ~PlainTransport() override { close(); }

  boost::system::error_code start(std::shared_ptr<TransportOwner> owner) override {
    owner_ = owner.get();
    return poller_.add(socket_.get(), std::move(owner), key_);
  }

  void read() override {
    // Large messages are not read in one buffer per turn, nor without end while others wait.
    constexpr int kMostReads = 4;
    const auto buffer = poller_.buffer();
    for (int reads = 0; reads < kMostReads && socket_; ++reads) {
      const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0 && would_block()) return;
      if (count <= 0) {
        boost::system::error_code error = asio::error::eof;
        if (count < 0) error.assign(errno, boost::system::system_category());
        return owner_->lost(error);
      }
      owner_->received(buffer.first(static_cast<std::size_t>(count)));
      if (static_cast<std::size_t>(count) < buffer.size()) return;
    }
    poller_.do_not_pause();
  }

  std::optional<std::size_t> send(std::span<const iovec> parts) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    const auto sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !would_block()) return std::nullopt;
    const auto count = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    std::size_t all = 0;
    for (const auto& part : parts) all += part.iov_len;
    if (count < all) poller_.want_writable(socket_.get(), key_);
    return count;
  }

  void finish() override { ::shutdown(socket_.get(), SHUT_WR); }

  void close() override {
    if (!socket_) return;
    // The poller may keep the last reference to the owner, which owns this.
    const Fd socket = std::move(socket_);
    place_.release();
    poller_.remove(socket.get(), key_);
  }

 private:
  static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

  Poller& poller_;
  Fd socket_;
  Place place_;
  Poller::Key key_{};
  TransportOwner* owner_ = nullptr;  ///< kept by the poller
};

/// TLS, by Asio. Bytes are copied: encryption costs more.
class TlsTransport final : public Transport {
 public:
  explicit TlsTransport(Stream stream) : stream_(std::move(stream)) {}

  boost::system::error_code start(std::shared_ptr<TransportOwner> owner) override {
    owner_ = owner;
    read_on(std::move(owner));
    return {};
  }

  void read() override {}

  std::optional<std::size_t> send(std::span<const iovec> parts) override {
    const auto owner = owner_.lock();
    if (is_lost_ || !owner) return std::nullopt;
    wants_to_send_ = true;
    if (!out_.empty()) return 0;
    std::size_t all = 0;
    for (const auto& part : parts) {
      all += part.iov_len;
      out_.append(static_cast<const char*>(part.iov_base), std::min(part.iov_len, kRecord - out_.size()));
    }
    wants_to_send_ = out_.size() < all;
    const auto count = out_.size();
    write_on(owner, 0);
    return count;
  }

  void finish() override {
    boost::system::error_code ignored;
    if (!std::exchange(finishes_, true) && out_.empty()) stream_.shutdown(Stream::shutdown_send, ignored);
  }

  void close() override {
    closed_ = true;
    boost::system::error_code ignored;
    stream_.close(ignored);
  }

 private:
  static constexpr std::size_t kRecord = 16 * 1024;  ///< maximum data of a record (RFC 8446, 5.1), bytes

  void read_on(std::shared_ptr<TransportOwner> owner) {
    const auto buffer = asio::buffer(in_);
    stream_.async_read_some(
        buffer, [this, owner = std::move(owner)](boost::system::error_code error, std::size_t count) {
          if (closed_) return;
          if (error) {
            is_lost_ = true;
            return guarded(*owner, [&] { owner->lost(error); });
          }
          guarded(*owner, [&] { owner->received(std::span(in_).first(count)); });
          if (!closed_) read_on(owner);
        });
  }

  void write_on(std::shared_ptr<TransportOwner> owner, std::size_t sent) {
    const auto rest = asio::buffer(out_) + sent;
    stream_.async_write_some(
        rest, [this, owner = std::move(owner), sent](boost::system::error_code error, std::size_t count) {
          if (closed_) return;
          if (error) return stop_writing();
          if (sent + count < out_.size()) return write_on(owner, sent + count);
          release(out_);
          if (finishes_) return stop_writing();
          if (wants_to_send_) guarded(*owner, [&] { owner->writable(); });
        });
  }
  /// The reads tell the owner.
  void stop_writing() {
    boost::system::error_code ignored;
    stream_.shutdown(finishes_ ? Stream::shutdown_send : Stream::shutdown_both, ignored);
  }

  Stream stream_;
  std::weak_ptr<TransportOwner> owner_;  ///< the operations keep it
  std::array<char, 4096> in_{};
  std::string out_;
  bool wants_to_send_ = false;
  bool finishes_ = false;
  bool is_lost_ = false;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<Transport> Transport::make(Stream stream) {
  if (stream.is_tls()) return std::make_unique<TlsTransport>(std::move(stream));
  auto& poller = Poller::of(stream.get_executor().context());
  auto place = std::move(stream.place());
  boost::system::error_code ignored;
  Fd socket(stream.socket().release(ignored));
  return std::make_unique<PlainTransport>(std::move(socket), std::move(place), poller);
}

}  // namespace smaster::net
