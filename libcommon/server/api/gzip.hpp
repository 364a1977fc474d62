// Compressing an answer while it is written (RFC 1952, by zlib).
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

  /// What this text adds to the compressed one; often nothing. `last`: nothing follows.
  [[nodiscard]] std::string add(std::string_view text, bool last);

 private:
  const std::unique_ptr<z_stream_s> stream_;
};

/// The pieces compressed, in the pool.
[[nodiscard]] net::Pieces compressed(net::asio::thread_pool& pool, net::Pieces pieces);

}  // namespace smaster::server
