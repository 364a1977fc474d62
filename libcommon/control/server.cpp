#include "control/server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "base/file.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

/// Room for the registry of a very large installation; only this user can send it.
constexpr std::uint64_t kMaxBody = 512ull << 20;
constexpr std::chrono::seconds kAcceptPause{1};
constexpr std::size_t kMaxDrained = 65'536;  ///< of a request that is refused unread

struct Word {
  ErrorKind kind;
  std::string_view word;
  unsigned status;
};
constexpr std::array<Word, 9> kWords{{{ErrorKind::usage, "usage", 400},
                                      {ErrorKind::bad_data, "bad_data", 400},
                                      {ErrorKind::not_found, "not_found", 404},
                                      {ErrorKind::unavailable, "unavailable", 503},
                                      {ErrorKind::cannot_create, "cannot_create", 500},
                                      {ErrorKind::timed_out, "timed_out", 504},
                                      {ErrorKind::not_permitted, "not_permitted", 403},
                                      {ErrorKind::bad_config, "bad_config", 400},
                                      {ErrorKind::internal, "internal", 500}}};

std::vector<gid_t> peer_groups(int fd, gid_t primary) {
  std::vector<gid_t> groups(65'536);  // the most that Linux has (NGROUPS_MAX)
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) size = 0;
  groups.resize(size / sizeof(gid_t));
  groups.push_back(primary);
  return groups;
}

bool may_use(int fd, std::optional<gid_t> group) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == ::geteuid() || peer.uid == 0) return true;
  if (!group) return false;
  const auto groups = peer_groups(fd, peer.gid);
  return std::find(groups.begin(), groups.end(), *group) != groups.end();
}

}  // namespace

Call to_call(const http::request_header<>& request) {
  Call call{std::string(request.method_string()), "", {}, "", nullptr};
  if (const auto url = boost::urls::parse_origin_form(request.target())) {
    call.path = url->path();
    for (const auto& parameter : url->params()) call.query.emplace(parameter.key, parameter.value);
  }
  return call;
}

std::string_view to_word(ErrorKind kind) {
  for (const auto& entry : kWords) {
    if (entry.kind == kind) return entry.word;
  }
  return "internal";
}

ErrorKind from_word(std::string_view word) {
  for (const auto& entry : kWords) {
    if (entry.word == word) return entry.kind;
  }
  return ErrorKind::internal;
}

Reply error_reply(const Error& error) {
  unsigned status = 500;
  for (const auto& entry : kWords) {
    if (entry.kind == error.kind) status = entry.status;
  }
  return {status,
          json::serialize(boost::json::object{{"error", error.message}, {"kind", to_word(error.kind)}})};
}

/// One client of the control socket.
class ControlServer::Connection {
 public:
  Connection(net::LocalSocket socket, const Handler& handler, std::optional<gid_t> group)
      : socket_(std::move(socket)), handler_(handler), group_(group) {}

  net::Task<> run() {
    if (!may_use(socket_.native_handle(), group_)) {
      co_await refuse_user();
      co_return;
    }
    bool keep = true;
    while (keep) {
      boost::system::error_code error;
      http::request_parser<http::empty_body> header;
      header.body_limit(boost::none);
      co_await http::async_read_header(socket_, buffer_, header, asio::redirect_error(net::use_task, error));
      if (error) co_return;
      keep = header.get().method() == http::verb::put ? co_await serve_pieces(header)
                                                      : co_await serve_whole(header);
    }
  }

  void drop() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  using Header = http::request_parser<http::empty_body>;

  net::Task<bool> serve_whole(Header& header) {
    boost::system::error_code error;
    http::request_parser<http::string_body> parser(std::move(header));
    parser.body_limit(kMaxBody);
    co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(net::use_task, error));
    if (error) co_return false;
    auto call = to_call(parser.get());
    call.body = std::move(parser.get().body());
    co_return co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
  }

  /// A body that may be larger than memory is read as the handler asks for it.
  net::Task<bool> serve_pieces(Header& header) {
    http::request_parser<http::buffer_body> parser(std::move(header));
    parser.body_limit(boost::none);
    auto call = to_call(parser.get());
    call.next_piece = [this, &parser] { return read_piece(parser); };
    const bool keep = co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
    // What the handler did not want is taken off the socket: the client must come to read the answer.
    while (!parser.is_done()) {
      if (!co_await read_piece(parser)) co_return false;
    }
    co_return keep;
  }

  net::Task<Result<std::string>> read_piece(http::request_parser<http::buffer_body>& parser) {
    constexpr std::size_t kPiece = 256 * 1024;
    std::string piece;
    while (piece.empty() && !parser.is_done()) {
      piece.resize(kPiece);
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      boost::system::error_code error;
      co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(net::use_task, error));
      if (error && error != http::error::need_buffer) {
        co_return fail(ErrorKind::unavailable, "the client went away: " + error.message());
      }
      piece.resize(piece.size() - parser.get().body().size);
    }
    co_return piece;
  }

  net::Task<bool> serve(Call call, unsigned version, bool keep) {
    auto answer = co_await handler_(std::move(call));
    if (auto* const whole = std::get_if<Reply>(&answer)) {
      co_return co_await reply(std::move(*whole), version, keep);
    }
    if (auto* const bytes = std::get_if<Bytes>(&answer)) co_return co_await stream(*bytes) && keep;
    co_return co_await stream(*std::get<std::shared_ptr<LineStream>>(answer)) && keep;
  }

  net::Task<> refuse_user() {
    co_await reply(error_reply(fail(ErrorKind::not_permitted, "this control socket belongs to another user")),
                   11, false);
    // The request is taken off the socket unread: closed over it, the connection would be reset and the
    // answer lost.
    boost::system::error_code error;
    socket_.shutdown(net::LocalSocket::shutdown_send, error);
    co_await net::drain(socket_, kMaxDrained);
  }

  net::Task<bool> reply(Reply reply, unsigned version, bool keep) {
    http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
    response.set(http::field::content_type, reply.type);
    response.keep_alive(keep);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    boost::system::error_code error;
    co_await http::async_write(socket_, response, asio::redirect_error(net::use_task, error));
    co_return !error && keep;
  }

  net::Task<boost::system::error_code> begin_chunks(const char* type) {
    boost::system::error_code error;
    http::response<http::empty_body> header(http::status::ok, 11);
    header.set(http::field::content_type, type);
    header.chunked(true);
    http::response_serializer<http::empty_body> serializer(header);
    co_await http::async_write_header(socket_, serializer, asio::redirect_error(net::use_task, error));
    co_return error;
  }

  /// Without its last chunk the client knows that it has not got all.
  net::Task<bool> stream(const Bytes& bytes) {
    auto error = co_await begin_chunks(bytes.type);
    while (!error) {
      const auto piece = co_await bytes.next_piece();
      if (!piece) co_return false;
      if (piece->empty()) break;
      co_await asio::async_write(socket_, http::make_chunk(asio::buffer(*piece)),
                                 asio::redirect_error(net::use_task, error));
    }
    if (!error) {
      co_await asio::async_write(socket_, http::make_chunk_last(),
                                 asio::redirect_error(net::use_task, error));
    }
    co_return !error;
  }

  net::Task<bool> stream(LineStream& lines) {
    auto error = co_await begin_chunks("application/x-ndjson");

    // A client that waits for lines says nothing: if its socket becomes readable it has gone, or broken the
    // rules.
    bool watching = true;
    socket_.async_wait(net::LocalSocket::wait_read, [&](boost::system::error_code waited) {
      watching = false;
      if (waited) return;
      lines.gone_ = true;
      lines.wake_.cancel();
    });
    while (!error && !lines.gone_) {
      if (lines.lines_.empty()) {
        if (lines.finished_) break;
        boost::system::error_code woken;
        lines.wake_.expires_at(net::Timer::time_point::max());
        co_await lines.wake_.async_wait(asio::redirect_error(net::use_task, woken));
        continue;
      }
      auto line = std::move(lines.lines_.front());
      lines.lines_.pop_front();
      line += '\n';
      co_await asio::async_write(socket_, http::make_chunk(asio::buffer(line)),
                                 asio::redirect_error(net::use_task, error));
    }
    const bool whole = !error && !lines.gone_;
    if (whole) {
      co_await asio::async_write(socket_, http::make_chunk_last(),
                                 asio::redirect_error(net::use_task, error));
    } else {
      lines.gone_ = true;
      lines.lines_.clear();
      if (lines.on_gone) lines.on_gone();
    }
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    while (watching) co_await asio::post(socket_.get_executor(), net::use_task);
    lines.on_gone = nullptr;
    co_return whole;
  }

  net::LocalSocket socket_;
  boost::beast::flat_buffer buffer_;
  const Handler& handler_;
  const std::optional<gid_t> group_;
};

ControlServer::ControlServer(asio::io_context& context, Handler handler)
    : handler_(std::move(handler)), acceptor_(context.get_executor()), pause_(context.get_executor()) {}

ControlServer::~ControlServer() { stop(); }

Result<void> ControlServer::allow_group(const std::string& name) {
  errno = 0;
  const auto* const group =
      ::getgrnam(name.c_str());  // NOLINT(concurrency-mt-unsafe): before any thread starts
  if (group == nullptr) {
    return fail(ErrorKind::bad_config, "server.control_group: there is no group \"" + name + '"' +
                                           (errno == 0 ? "" : std::string(": ") + std::strerror(errno)));
  }
  group_ = group->gr_gid;
  return {};
}

/// Lets the group in at a path of ours.
static Result<void> open_to(gid_t group, const std::filesystem::path& path, mode_t mode) {
  if (::chown(path.c_str(), static_cast<uid_t>(-1), group) == 0 && ::chmod(path.c_str(), mode) == 0)
    return {};
  return fail(ErrorKind::cannot_create, "server.control_group: cannot give " + path.string() +
                                            " to the group: " + std::strerror(errno));
}

Result<void> ControlServer::listen(const std::filesystem::path& path) {
  const auto text = path.string();
  if (text.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorKind::cannot_create,
                "the control socket's path is too long (" + std::to_string(text.size()) + " of at most " +
                    std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes): " + text);
  }
  if (path.has_parent_path()) {
    const auto folder = path.parent_path();
    if (auto made = make_private_folder(folder); !made) return made;
    struct stat status {};
    const bool private_to_us = ::stat(folder.c_str(), &status) == 0 && status.st_uid == ::geteuid() &&
                               (status.st_mode & 0777) == 0700;
    if (group_ && private_to_us) {
      if (auto opened = open_to(*group_, folder, 0710); !opened) return opened;
    }
  }
  const asio::local::stream_protocol::endpoint endpoint(text);
  std::error_code ignored;
  if (std::filesystem::is_socket(path, ignored)) {
    net::LocalSocket probe(acceptor_.get_executor());
    boost::system::error_code refused;
    probe.connect(endpoint, refused);
    if (!refused)
      return fail(ErrorKind::cannot_create, "another server answers on the control socket " + text);
    std::filesystem::remove(path, ignored);
  }
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  const mode_t before = ::umask(0177);  // the socket must not be open to others even for a moment
  if (!error) acceptor_.bind(endpoint, error);
  ::umask(before);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail(ErrorKind::cannot_create, "cannot make the control socket " + text + ": " + error.message());
  if (group_) {
    if (auto opened = open_to(*group_, path, 0660); !opened) return opened;
  }
  path_ = path;
  asio::co_spawn(acceptor_.get_executor(), accept_loop(), asio::detached);
  return {};
}

void ControlServer::adopt(Fd socket, const std::filesystem::path& path) {
  acceptor_.assign(asio::local::stream_protocol(), socket.release());
  path_ = path;
  asio::co_spawn(acceptor_.get_executor(), accept_loop(), asio::detached);
}

Fd ControlServer::hand_over() {
  path_.clear();
  return Fd(::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0));
}

net::Task<> ControlServer::accept_loop() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(net::use_task, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      pause_.expires_after(kAcceptPause);
      co_await pause_.async_wait(asio::redirect_error(net::use_task, error));
      continue;
    }
    auto connection = std::make_shared<Connection>(std::move(socket), handler_, group_);
    connections_.insert(connection);
    asio::co_spawn(acceptor_.get_executor(), connection->run(),
                   [this, connection](std::exception_ptr failure) {
                     if (failure) spdlog::error("a control request failed in a way that should not happen");
                     connections_.erase(connection);
                   });
  }
}

void ControlServer::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
  for (const auto& connection : connections_) connection->drop();
}

}  // namespace smaster::control
