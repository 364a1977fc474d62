#include "net/payload_pieces.hpp"

#include <boost/asio/redirect_error.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace smaster::net {
namespace {

Task<std::optional<std::string>> read_source(engineio::FrameSource& source, std::size_t offset,
                                             Executor executor) {
  struct State {
    explicit State(const Executor& executor) : wake(executor, Timer::time_point::max()) {}
    Timer wake;
    std::optional<std::string> bytes;
  };
  const auto state = std::make_shared<State>(executor);
  source.read(offset, [state](std::optional<std::string> bytes) {
    state->bytes = std::move(bytes);
    state->wake.cancel();
  });
  boost::system::error_code woken;
  co_await state->wake.async_wait(asio::redirect_error(use_task, woken));
  co_return std::move(state->bytes);
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
