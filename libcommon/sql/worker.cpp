#include "sql/worker.hpp"

#include <soci/soci.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "sql/frames.hpp"
#include "sql/sandbox.hpp"

namespace smaster::sql {
namespace {

constexpr unsigned kEndWithin = 10;  ///< seconds for Order::end, which continues if the server exits
constexpr int kNice = 5;             ///< lower priority than the server
constexpr std::uint64_t kReaderFile = 16u
                                      /// Bytes; readers write only SQLite's shared-memory index of the log.
                                      << 20;

/// Reads exactly `size` bytes; false at the end of the channel.
bool read_all(char* to, std::size_t size) {
  while (size > 0) {
    const auto got = ::read(kWorkerChannel, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<std::string> read_frame() {
  std::string bytes(kFrameHeader, '\0');
  if (!read_all(bytes.data(), bytes.size())) return std::nullopt;
  const auto length = frame_length(bytes);
  if (!length) return std::nullopt;
  bytes.resize(*length);
  return read_all(bytes.data(), bytes.size()) ? std::optional(std::move(bytes)) : std::nullopt;
}

bool send(const Message& message) {
  const auto bytes = frame(encode(message));
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const auto written = ::write(kWorkerChannel, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Error out_of_memory() {
  return fail(ErrorKind::bad_data, "the statement needs more memory than the " +
                                       std::to_string(kWorkerMemory >> 20) + " MiB that it may use");
}

/// Runs a statement and sends its result; false if the worker must exit.
bool answer(const Engine& engine, soci::session& session, const std::string& statement, const Order& order) {
  try {
    auto ran = engine.run(session, statement, order.access, order.limits);
    if (ran.writes) return send(Writes()) && !ran.broken;
    const bool last = ran.broken;
    return send(Answer{std::move(ran.outcome), last}) && !last;
  } catch (const std::bad_alloc&) {
    // Libraries may be in an inconsistent state.
    send(Answer{out_of_memory(), true});
  } catch (const std::exception& e) {
    send(Answer{fail(ErrorKind::internal, e.what()), true});
  }
  return false;
}

/// Ties the worker's life to the server's: killed when the server exits, and ignoring signals to the service
/// or terminal, which the server handles.
void follow_server(const Order& order) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (order.end.empty()) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != order.parent) ::_exit(1);
  } else {
    ::alarm(kEndWithin);
  }
  errno = 0;
  [[maybe_unused]] const int ignored = ::nice(kNice);
}

int serve(const Order& order) {
  const auto engine = make_engine(order.url);
  if (!engine) {
    send(Answer{engine.error(), true});
    return 1;
  }
  soci::session session;
  Ready ready;
  try {
    (*engine)->open(session, order.access, order.limits);
    if (!order.end.empty()) {
      (*engine)->end(session, order.end);
      return 0;
    }
    auto connection = (*engine)->connection_id(session);
    if (!connection) throw soci::soci_error(connection.error().message);
    ready.connection = std::move(*connection);
  } catch (const std::exception& e) {
    const auto why = std::string(trim(e.what()));
    send(Answer{fail(ErrorKind::unavailable, "the database cannot be reached: " + why), true});
    return 1;
  }
  ready.missing = contain({(*engine)->remote(), order.access == Access::read ? kReaderFile : 0});
  if (!send(ready)) return 0;
  while (auto statement = read_frame()) {
    if (!(*engine)->alive(session)) {
      send(Stale());
      return 0;
    }
    if (!answer(**engine, session, *statement, order)) return 0;
  }
  return 0;
}

}  // namespace

int run_worker() {
  const auto bytes = read_frame();
  if (!bytes) return 1;
  const auto order = decode_order(*bytes);
  if (!order) {
    send(Answer{order.error(), true});
    return 1;
  }
  follow_server(*order);
  limit_memory(kWorkerMemory);  // a database's first answers may be as large as any
  // Skips the exit handlers of libraries, which need rights that the sandbox has dropped.
  ::_exit(serve(*order));
}

}  // namespace smaster::sql
