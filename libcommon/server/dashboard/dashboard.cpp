#include "server/dashboard/dashboard.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/url/parse.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/accept.hpp"
#include "net/address.hpp"
#include "page/page.hpp"
#include "server/api/request.hpp"

namespace smaster::server {
namespace {

namespace http = boost::beast::http;
using control::Answer;
using control::Call;
using control::Reply;

/// Headers of every answer. The page may load nothing from other origins, and nothing inline (W3C, Content
/// Security Policy 3).
constexpr std::pair<const char*, const char*> kHeaders[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};
constexpr control::ConnectionLimits kLimits{1 << 20, false, Millis{30'000}, kHeaders};
constexpr std::size_t kMaxSessions = 10'000;
constexpr std::chrono::hours kSessionLength{12};
constexpr unsigned kMaxFailures = 5;
constexpr std::chrono::seconds kFailureWindow{10};
/// A file's time identifies its content only if the last change is at least this long ago.
constexpr std::chrono::seconds kSettled{2};
/// Pause after which a comment is sent: proxies close silent connections.
constexpr std::chrono::seconds kSilence{15};
/// Maximum size of a fleet whose graph has one line per shard.
constexpr std::size_t kMaxLines = 2'000;
constexpr std::string_view kCookie = "smaster_session";

std::string header(const Call& call, http::field name) { return std::string(call.headers[name]); }

/// The host without the port, from "[::1]:8025" or "localhost:8025".
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.find(':')));
}

std::string cookie(const Call& call) {
  const auto cookies = header(call, http::field::cookie);
  for (const auto part : split(cookies, ';')) {
    const auto pair = trim(part);
    if (pair.starts_with(kCookie) && pair.substr(kCookie.size()).starts_with('=')) {
      return std::string(pair.substr(kCookie.size() + 1));
    }
  }
  return {};
}

}  // namespace

Dashboard::Dashboard(const Parts& parts, control::Handler commands)
    : parts_(parts),
      commands_(std::move(commands)),
      view_({parts.context, parts.stats, parts.history, parts.event_list}),
      acceptor_(parts.context.get_executor()),
      password_file_(parts.settings.dashboard.password_file),
      allow_(parts.settings.dashboard.allow),
      tasks_(parts.context.get_executor(), "dashboard") {}

Dashboard::~Dashboard() { stop(); }

Result<void> Dashboard::listen() {
  const auto& settings = parts_.settings.dashboard;
  if (settings.port < 0) return {};
  const net::tcp::endpoint endpoint(net::asio::ip::make_address(settings.address),
                                    static_cast<std::uint16_t>(settings.port));
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(net::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(net::asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorKind::unavailable, "cannot listen on " + settings.address + ':' +
                                            std::to_string(settings.port) +
                                            " for the dashboard: " + error.message());
  }
  tasks_.keep_running("accept connections", [this] {
    const auto serve = [this](net::Socket socket, net::Place place) {
      accept(std::move(socket), std::move(place));
    };
    const auto refuse = [](net::Socket& socket) { net::refuse_busy(socket); };
    return net::accept_each(acceptor_, parts_.descriptors, net::Share::dashboard, crowd_, serve, refuse);
  });
  tasks_.keep_running("view", [this] { return view_.run(); });
  return {};
}

net::tcp::endpoint Dashboard::endpoint() const {
  boost::system::error_code none;
  return acceptor_.local_endpoint(none);
}

void Dashboard::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  view_.stop();
  for (const auto& connection : connections_) connection->drop();
}

void Dashboard::accept(net::Socket socket, net::Place place) {
  boost::system::error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return;
  auto handler = std::make_shared<control::Handler>(
      [this, peer = remote.address()](Call call) { return serve(std::move(call), peer); });
  auto connection = std::make_shared<Connection>(std::move(socket), std::move(place), crowd_,
                                                 net::limit_key(remote.address()), *handler, kLimits);
  connections_.insert(connection);
  tasks_.spawn("connection", hold(connection, std::move(handler)),
               [this, connection] { connections_.erase(connection); });
}

net::Task<> Dashboard::hold(std::shared_ptr<Connection> connection, std::shared_ptr<const control::Handler>) {
  co_await connection->run();
  connections_.erase(connection);
}

net::Task<Answer> Dashboard::serve(Call call, net::Address peer) {
  // Without a password, accept only local host names: a foreign page may have a name that resolves to this
  // address (DNS rebinding).
  const auto host = header(call, http::field::host);
  const bool open = parts_.settings.dashboard.password_file.empty();
  if (open && host_name(host) != "localhost" && !net::is_loopback(host_name(host))) {
    co_return refused(403, "this page is called by its address, or localhost");
  }
  const bool get = call.method == "GET";
  if (const auto* const file = page::find(call.path); file != nullptr && get) {
    co_return Reply{200, std::string(file->content), file->type};
  }
  if (!get) {
    if (call.method != "POST") co_return refused(405, "GET or POST");
    const auto origin = header(call, http::field::origin);
    const auto url = boost::urls::parse_uri(origin);
    const bool ours = origin.empty() || (url && std::string_view(url->encoded_authority()) == host);
    // Forms of other sites cannot send JSON; scripts of other sites have another origin.
    if (!ours || !header(call, http::field::content_type).starts_with("application/json")) {
      co_return refused(403, "only this page's own requests are taken");
    }
    if (call.path == "/api/login") co_return co_await log_in(call, peer);
  }
  bool too_many = false;
  const auto may = co_await may_see(call, peer, too_many);
  if (too_many) co_return refused(429, "too many attempts; wait a little");
  if (!may) co_return refused(401, "log in first");
  co_return co_await data(std::move(call), peer, *may);
}

net::Task<Answer> Dashboard::data(Call call, net::Address peer, Grant grant) {
  const bool get = call.method == "GET";
  if (get && call.path == "/api/about") {
    const auto& settings = parts_.settings.dashboard;
    co_return Reply{200, json::serialize(boost::json::object{
                             {"allow", boost::json::array(settings.allow.begin(), settings.allow.end())},
                             {"login", !settings.password_file.empty()},
                             {"version", SMASTER_VERSION}})};
  }
  if (get && call.path == "/api/fleet") co_return pieces(view_.changes(0));
  if (get && call.path == "/api/series") co_return series(call);
  if (get && call.path == "/api/events") {
    auto lines = std::make_shared<control::LineStream>(parts_.context.get_executor(), "text/event-stream");
    tasks_.spawn("follow", follow(lines, std::move(grant)), [lines] { lines->finish(); });
    co_return lines;
  }
  if (!get && call.path == "/api/logout") {
    sessions_.erase(cookie(call));
    co_return Reply{200, "{}"};
  }
  co_return co_await pass(std::move(call), peer, std::move(grant));
}

/// The page's data in pieces; 503 if too many such answers are in progress.
Answer Dashboard::pieces(net::Pieces pieces) const {
  auto place = parts_.page_answers.take("");
  if (!place) return too_much();
  return control::Bytes{[pieces = std::move(pieces), place = std::move(place)] { return pieces(); },
                        "application/json"};
}

Answer Dashboard::series(const Call& call) {
  const auto of = [&](const char* key) {
    const auto found = call.query.find(key);
    return found == call.query.end() ? std::string() : found->second;
  };
  const auto metric = std::find(fleet::kMetricNames.begin(), fleet::kMetricNames.end(), of("metric"));
  const auto range = of("range");
  const bool states = of("metric") == "states";
  if ((metric == fleet::kMetricNames.end() && !states) || (range != "hour" && range != "day")) {
    return refused(400, "it takes a metric and a range, hour or day");
  }
  const auto& resolution = range == "hour" ? fleet::kHour : fleet::kDay;
  if (states) return Reply{200, view_.states(resolution)};
  std::set<std::string> names;
  const auto wanted = of("shards");
  if (wanted == "all" && parts_.stats.directory.shards().size() > kMaxLines) {
    return refused(400, "there are too many shards for a line each; choose some");
  }
  for (const auto name : split(wanted, ',')) names.emplace(name);
  return pieces(view_.series(static_cast<fleet::Metric>(metric - fleet::kMetricNames.begin()), resolution,
                             std::move(names), wanted == "all", of("host")));
}

/// Server-sent events (HTML, section 9.2): the whole fleet, then changes, while `grant` is valid.
net::Task<> Dashboard::follow(std::shared_ptr<control::LineStream> lines, Grant grant) {
  net::Timer pause(parts_.context.get_executor());
  std::uint64_t told = 0;
  auto spoken = net::now();
  while (!lines->gone() && acceptor_.is_open()) {
    co_await read_password();
    if (!holds(grant)) break;
    if (!view_.knows(told)) break;  // the page connects again, and gets everything
    if (lines->waiting() > 0) {
      // A slow reader gets all changes together once it reads again.
    } else if (const auto moment = view_.moment(); moment != told) {
      const auto changes = view_.changes(told);
      while (co_await lines->room()) {
        const auto piece = co_await changes();
        if (!piece || piece->empty()) break;
        lines->push("data: " + *piece);
      }
      lines->push("");
      told = moment;
      spoken = net::now();
    } else if (net::now() - spoken > kSilence) {
      lines->push(":\n");
      spoken = net::now();
    }
    boost::system::error_code ignored;
    pause.expires_after(kRefresh);
    co_await pause.async_wait(net::asio::redirect_error(net::use_task, ignored));
  }
  lines->finish();
}

/// The client behind trusted proxies, as for shards.
std::string Dashboard::attempt_key(const Call& call, const net::Address& peer) const {
  return net::Proxies(parts_.settings.trusted_proxies).limit_key(peer, net::forwarded_for(call.headers));
}

/// Reads the password's file again if it may have changed. Otherwise it does not suspend, so that nothing
/// else runs between a guess's arrival and its check.
net::Task<> Dashboard::read_password() {
  const auto path = parts_.settings.dashboard.password_file;
  if (path.empty()) co_return;
  struct stat info {};
  const bool there = ::stat(path.c_str(), &info) == 0;
  const Stamp stamp{
      path.string(), there ? info.st_ino : 0, info.st_size, {info.st_ctim.tv_sec, info.st_ctim.tv_nsec}};
  // File systems' clocks tick slowly: two changes within a tick look like one.
  const auto age =
      std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(info.st_ctim.tv_sec);
  if (there && stamp == password_stamp_ && age > kSettled) co_return;
  const auto text = co_await net::run_in(parts_.slow_work, [&path] { return read_file(path); });
  if (!text && password_stamp_ != stamp) spdlog::error("the dashboard's password: {}", text.error().message);
  auto password = text ? std::string(trim(*text)) : std::string();
  password_stamp_ = stamp;
  if (password == password_) co_return;
  password_ = std::move(password);
  end_sessions();
}

/// Checks and counts a guess without suspending: of a thousand concurrent guesses only kMaxFailures are
/// checked.
Dashboard::Judgement Dashboard::judge(const std::string& password, const std::string& key) {
  std::erase_if(failures_,
                [](const auto& entry) { return net::now() - entry.second.since > kFailureWindow; });
  const auto found = failures_.find(key);
  if (found != failures_.end() && found->second.count >= kMaxFailures) return Judgement::too_many;
  if (!password_.empty() && crypto::same_secret(password, password_)) return Judgement::right;
  auto& failures = failures_[key];
  if (failures.count++ == 0) failures.since = net::now();
  spdlog::warn("a wrong password for the dashboard (address {})", key);
  return Judgement::wrong;
}

net::Task<Answer> Dashboard::log_in(const Call& call, const net::Address& peer) {
  const auto body = body_object(call);
  std::string password;
  if (body) json::read(*body, "password", password);
  co_await read_password();
  const auto judgement = judge(password, attempt_key(call, peer));
  if (judgement == Judgement::too_many) co_return refused(429, "too many attempts; wait a little");
  if (judgement == Judgement::wrong) co_return refused(401, "that is not the password");
  std::erase_if(sessions_, [](const auto& session) { return session.second < net::now(); });
  if (sessions_.size() >= kMaxSessions) sessions_.erase(sessions_.begin());
  const auto token = crypto::random_token(32);
  sessions_.emplace(token, net::now() + kSessionLength);
  Reply reply{200, "{}"};
  const bool https = header(call, http::field::origin).starts_with("https:");
  reply.headers.emplace_back(
      "Set-Cookie",
      std::string(kCookie) + '=' + token + "; HttpOnly; SameSite=Strict; Path=/" + (https ? "; Secure" : ""));
  co_return reply;
}

/// Grants access by a login's cookie, or by the password as a bearer token (RFC 6750).
net::Task<std::optional<Dashboard::Grant>> Dashboard::may_see(const Call& call, const net::Address& peer,
                                                              bool& too_many) {
  co_await read_password();
  Grant grant{cookie(call), epoch_};
  if (parts_.settings.dashboard.password_file.empty()) grant.session.clear();
  if (parts_.settings.dashboard.password_file.empty() || (!grant.session.empty() && holds(grant)))
    co_return grant;
  const auto authorization = header(call, http::field::authorization);
  constexpr std::string_view kBearer = "Bearer ";
  if (!authorization.starts_with(kBearer)) co_return std::nullopt;
  const auto judgement = judge(authorization.substr(kBearer.size()), attempt_key(call, peer));
  too_many = judgement == Judgement::too_many;
  if (judgement != Judgement::right) co_return std::nullopt;
  co_return Grant{{}, epoch_};
}

bool Dashboard::holds(const Grant& grant) const {
  if (grant.epoch != epoch_) return false;
  if (grant.session.empty()) return true;
  const auto session = sessions_.find(grant.session);
  return session != sessions_.end() && session->second > net::now();
}

void Dashboard::end_sessions() {
  sessions_.clear();
  ++epoch_;
}

void Dashboard::settings_changed() {
  const auto& settings = parts_.settings.dashboard;
  if (settings.password_file == password_file_ && settings.allow == allow_) return;
  password_file_ = settings.password_file;
  allow_ = settings.allow;
  end_sessions();
}

}  // namespace smaster::server
