// Compresses an answer while it is written (RFC 1952, by zlib).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/pieces.hpp"

struct z_stream_s;

namespace smaster::server {

class Gzip {
 public:
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// Adds text; returns the compressed bytes that are complete, often none. `last`: the text ends here, and
  /// the remaining bytes are returned.
  [[nodiscard]] std::string add(std::string_view text, bool last);

 private:
  const std::unique_ptr<z_stream_s> stream_;
};

/// Compresses pieces, on threads of the pool.
[[nodiscard]] net::Pieces compressed(net::asio::thread_pool& pool, net::Pieces pieces);

}  // namespace smaster::server
