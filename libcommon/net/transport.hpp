// The bytes of an established websocket: plain ones by the Poller, those of TLS by Asio.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <optional>
#include <span>

#include "net/poller.hpp"
#include "net/stream.hpp"

namespace smaster::net {

/// All calls on the context's thread, never from inside a call of Transport.
class TransportOwner : public Ready {
 public:
  /// Bytes that were received; the owner may change them.
  virtual void received(std::span<char> bytes) = 0;
  /// The peer has closed the connection or it has failed. The last call.
  virtual void lost(boost::system::error_code error) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  /// Starts reading, and keeps `owner` until the end. Errors: the system's, for lack of a resource.
  [[nodiscard]] virtual boost::system::error_code start(std::shared_ptr<TransportOwner> owner) = 0;
  /// Reads what has come; the owner's answer to `readable`.
  virtual void read() = 0;
  /// Takes bytes to send, as many as possible without waiting, and returns their number. If it takes fewer
  /// than all, the owner's `writable` follows. nullopt: the connection has failed.
  [[nodiscard]] virtual std::optional<std::size_t> send(std::span<const iovec> parts) = 0;
  /// Nothing more will be sent: the peer learns the end of the stream.
  virtual void finish() = 0;
  /// Closes the connection; the owner is not called any more.
  virtual void close() = 0;

  [[nodiscard]] static std::unique_ptr<Transport> make(Stream stream);
};

}  // namespace smaster::net
