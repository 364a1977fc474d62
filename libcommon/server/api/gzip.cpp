#include "server/api/gzip.hpp"

#include <zlib.h>

#include <new>
#include <utility>

namespace smaster::server {

Gzip::Gzip() : stream_(std::make_unique<z_stream_s>()) {
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kMemory = 8;
  if (deflateInit2(stream_.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

Gzip::~Gzip() { deflateEnd(stream_.get()); }

std::string Gzip::add(std::string_view text, bool last) {
  constexpr std::size_t kStep = 16'384;
  std::string out;
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream_->avail_in = static_cast<uInt>(text.size());
  do {
    const auto filled = out.size();
    out.resize(filled + kStep);
    stream_->next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream_->avail_out = kStep;
    deflate(stream_.get(), last ? Z_FINISH : Z_NO_FLUSH);
    out.resize(out.size() - stream_->avail_out);
  } while (stream_->avail_out == 0);
  return out;
}

net::Pieces compressed(net::asio::thread_pool& pool, net::Pieces pieces) {
  struct State {
    net::Pieces pieces;
    Gzip gzip{};
    bool ended = false;
  };
  return [&pool, at = std::make_shared<State>(std::move(pieces))]() -> net::Task<Result<std::string>> {
    std::string out;
    while (out.empty() && !at->ended) {
      const auto piece = co_await at->pieces();
      if (!piece) co_return piece.error();
      at->ended = piece->empty();
      out = co_await net::run_in(pool, [&] { return at->gzip.add(*piece, at->ended); });
    }
    co_return out;
  };
}

}  // namespace smaster::server
