#include "net/engineio/payload_pieces.hpp"

#include <optional>
#include <utility>

#include "net/event.hpp"

namespace smaster::net {
namespace {

Task<std::optional<std::string>> read_source(engineio::FrameSource& source, std::size_t offset,
                                             Executor executor) {
  Supplied<std::optional<std::string>> bytes(executor);
  source.read(offset, bytes.callback());
  co_return (co_await bytes.get()).value_or(std::nullopt);
}

}  // namespace

Task<Result<std::string>> next_piece(engineio::PayloadEncoder& encoder, Executor executor) {
  std::string piece;
  while (piece.empty() && !encoder.done()) {
    if (auto* const source = encoder.wants()) {
      auto bytes = co_await read_source(*source, encoder.offset(), executor);
      if (!bytes) co_return fail(ErrorKind::unavailable, "the rest of it cannot be read");
      encoder.supply(*std::move(bytes));
    }
    piece = encoder.next();
  }
  co_return piece;
}

}  // namespace smaster::net
