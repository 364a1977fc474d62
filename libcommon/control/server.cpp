#include "control/server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "base/file.hpp"
#include "control/connection.hpp"
#include "json/json.hpp"
#include "net/accept.hpp"

namespace smaster::control {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

/// Large enough for the registry of a very large installation; only authorised users can send it. No timeout.
constexpr ConnectionLimits kLimits{512ull << 20, true, std::nullopt};

constexpr auto kNobody = static_cast<uid_t>(-1);

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
  std::vector<gid_t> groups(65'536);  // NGROUPS_MAX of Linux
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) size = 0;
  groups.resize(size / sizeof(gid_t));
  groups.push_back(primary);
  return groups;
}

/// The peer's credentials; kNobody if they cannot be determined.
ucred peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {0, kNobody, kNobody};
  return peer;
}

/// The user's name, or "uid 1000" if it has none. Looked up once per user: a directory service may be slow.
std::string user_name(uid_t uid) {
  static std::map<uid_t, std::string> known;
  const auto [at, first] = known.try_emplace(uid);
  if (!first) return at->second;
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  const bool named = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return at->second = named ? entry.pw_name : "uid " + std::to_string(uid);
}

bool may_use(int fd, const ucred& peer, std::optional<gid_t> group) {
  if (peer.uid == kNobody) return false;
  if (peer.uid == ::geteuid() || peer.uid == 0) return true;
  if (!group) return false;
  const auto groups = peer_groups(fd, peer.gid);
  return std::find(groups.begin(), groups.end(), *group) != groups.end();
}

}  // namespace

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

ControlServer::ControlServer(asio::io_context& context, net::Descriptors& descriptors, Handler handler,
                             Elsewhere elsewhere)
    : handler_(std::move(handler)),
      elsewhere_(std::move(elsewhere)),
      descriptors_(descriptors),
      acceptor_(context.get_executor()),
      tasks_(context.get_executor(), "control socket") {}

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

/// Gives the group access to a path of ours.
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
  const mode_t before = ::umask(0177);  // the socket must not be accessible to others, not even for a moment
  if (!error) acceptor_.bind(endpoint, error);
  ::umask(before);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail(ErrorKind::cannot_create, "cannot make the control socket " + text + ": " + error.message());
  if (group_) {
    if (auto opened = open_to(*group_, path, 0660); !opened) return opened;
  }
  path_ = path;
  accept();
  return {};
}

void ControlServer::adopt(Fd socket, const std::filesystem::path& path) {
  acceptor_.assign(asio::local::stream_protocol(), socket.release());
  path_ = path;
  accept();
}

Fd ControlServer::hand_over() {
  path_.clear();
  return Fd(::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0));
}

void ControlServer::accept() {
  tasks_.keep_running("accept connections", [this] {
    const auto serve = [this](net::LocalSocket socket, net::Place place) {
      serve_local(std::move(socket), std::move(place));
    };
    const auto refuse = [](net::LocalSocket& socket) { net::refuse_busy(socket); };
    return net::accept_each(acceptor_, descriptors_, net::Share::control, crowd_, serve, refuse);
  });
}

void ControlServer::serve_local(net::LocalSocket socket, net::Place place) {
  std::optional<Reply> refusal;
  const auto peer = peer_of(socket.native_handle());
  if (!may_use(socket.native_handle(), peer, group_)) {
    refusal = error_reply(fail(ErrorKind::not_permitted, "this control socket belongs to another user"));
  }
  auto connection =
      std::make_shared<Connection>(std::move(socket), std::move(place), crowd_, std::to_string(peer.pid),
                                   handler_, kLimits, elsewhere_, Asker{user_name(peer.uid)});
  connections_.insert(connection);
  tasks_.spawn("connection", hold(connection, std::move(refusal)),
               [this, connection] { connections_.erase(connection); });
}

net::Task<> ControlServer::hold(std::shared_ptr<Connection> connection, std::optional<Reply> refusal) {
  co_await connection->run(std::move(refusal));
  connections_.erase(connection);
}

net::Task<> ControlServer::serve(net::Stream stream, std::string whose) {
  // An operator's connection from here on. If that share is full and nothing can be dropped, it keeps its
  // slot.
  if (!stream.place().move_to(net::Share::control)) {
    descriptors_.full(net::Share::control);
    if (crowd_.drop_one()) (void)stream.place().move_to(net::Share::control);
  }
  const Asker by{whose, true};
  const auto connection = std::make_shared<control::Connection<net::Stream>>(
      std::move(stream), net::Place(), crowd_, std::move(whose), handler_, kLimits, Elsewhere(), by);
  co_await connection->run();
}

void ControlServer::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
  for (const auto& connection : connections_) connection->drop();
}

}  // namespace smaster::control
