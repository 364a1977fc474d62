#include "server/dashboard.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/url/parse.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "page/page.hpp"
#include "server/control_parts.hpp"
#include "server/core.hpp"

namespace smaster::server {
namespace {

namespace http = boost::beast::http;
using control::Answer;
using control::Call;
using control::Reply;

constexpr control::ConnectionLimits kLimits{1 << 20, false, Millis{60'000}};
constexpr std::size_t kMaxConnections = 256;
constexpr std::size_t kMaxSessions = 10'000;
constexpr std::chrono::hours kSessionLength{12};
constexpr unsigned kMaxFailures = 5;
constexpr std::chrono::seconds kFailureWindow{10};
constexpr std::chrono::milliseconds kRefresh{1'000};
/// Proxies close connections that say nothing.
constexpr std::chrono::seconds kSilence{15};
constexpr std::chrono::seconds kAcceptPause{1};
/// So many shards' figures may be asked for at once: nobody else is served while they are written.
constexpr std::size_t kMaxLines = 2'000;
constexpr std::string_view kCookie = "smaster_session";

std::string header(const Call& call, http::field name) { return std::string(call.headers[name]); }

/// Nothing from elsewhere, nothing inline (W3C, Content Security Policy 3).
Reply guarded(Reply reply) {
  reply.headers.emplace_back(
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  reply.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

Reply refused(unsigned status, std::string_view sentence) {
  return {status, json::serialize(boost::json::object{{"error", sentence}})};
}

/// "[::1]:8025" and "localhost:8025" without the port.
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

Dashboard::Dashboard(Core& core, control::Handler commands)
    : core_(core),
      commands_(std::move(commands)),
      view_(core),
      acceptor_(core.context.get_executor()),
      pause_(core.context.get_executor()) {}

Dashboard::~Dashboard() { stop(); }

Result<void> Dashboard::listen() {
  const auto& settings = core_.settings.dashboard;
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
  net::asio::co_spawn(core_.context, accept_loop(), net::asio::detached);
  net::asio::co_spawn(core_.context, view_.run(), net::asio::detached);
  return {};
}

net::tcp::endpoint Dashboard::endpoint() const {
  boost::system::error_code none;
  return acceptor_.local_endpoint(none);
}

void Dashboard::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  view_.stop();
  for (const auto& connection : connections_) connection->drop();
}

net::Task<> Dashboard::accept_loop() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor_.async_accept(net::asio::redirect_error(net::use_task, error));
    if (error == net::asio::error::operation_aborted) co_return;
    if (error || connections_.size() >= kMaxConnections) {
      pause_.expires_after(kAcceptPause);
      co_await pause_.async_wait(net::asio::redirect_error(net::use_task, error));
      continue;
    }
    const auto remote = socket.remote_endpoint(error);
    if (error) continue;
    auto handler = std::make_shared<control::Handler>(
        [this, peer = remote.address()](Call call) { return serve(std::move(call), peer); });
    auto connection = std::make_shared<Connection>(std::move(socket), *handler, kLimits);
    connections_.insert(connection);
    net::asio::co_spawn(acceptor_.get_executor(), connection->run(),
                        [this, connection, handler](const std::exception_ptr& failure) {
                          if (failure)
                            spdlog::error("a dashboard request failed in a way that should not happen");
                          connections_.erase(connection);
                        });
  }
}

net::Task<Answer> Dashboard::serve(Call call, net::Address peer) {
  // A page elsewhere whose name was made to point here (DNS rebinding) is not ours.
  const auto host = header(call, http::field::host);
  const bool open = core_.settings.dashboard.password_file.empty();
  if (open && host_name(host) != "localhost" && !net::is_loopback(host_name(host))) {
    co_return guarded(refused(403, "this page is called by its address, or localhost"));
  }
  const bool get = call.method == "GET";
  if (const auto* const file = page::find(call.path); file != nullptr && get) {
    co_return guarded({200, std::string(file->content), file->type});
  }
  if (!get) {
    if (call.method != "POST") co_return guarded(refused(405, "GET or POST"));
    const auto origin = header(call, http::field::origin);
    const auto url = boost::urls::parse_uri(origin);
    const bool ours = origin.empty() || (url && std::string_view(url->encoded_authority()) == host);
    // Forms of other sites cannot send JSON.
    if (!ours || !header(call, http::field::content_type).starts_with("application/json")) {
      co_return guarded(refused(403, "only this page's own requests are taken"));
    }
    if (call.path == "/api/login") co_return co_await log_in(call, peer);
  }
  const bool may = co_await may_see(call, peer);
  if (!may) co_return guarded(refused(401, "log in first"));
  co_return co_await data(std::move(call));
}

net::Task<Answer> Dashboard::data(Call call) {
  const bool get = call.method == "GET";
  if (get && call.path == "/api/about") {
    const auto& settings = core_.settings.dashboard;
    co_return guarded({200, json::serialize(boost::json::object{
                                {"allow", boost::json::array(settings.allow.begin(), settings.allow.end())},
                                {"login", !settings.password_file.empty()},
                                {"version", SMASTER_VERSION}})});
  }
  if (get && call.path == "/api/fleet") co_return pieces(view_.changes(0));
  if (get && call.path == "/api/series") co_return series(call);
  if (get && call.path == "/api/events") {
    auto lines = std::make_shared<control::LineStream>(core_.context.get_executor(), "text/event-stream");
    lines->headers = guarded({}).headers;
    net::asio::co_spawn(core_.context, follow(lines), net::asio::detached);
    co_return lines;
  }
  if (!get && call.path == "/api/logout") {
    sessions_.erase(cookie(call));
    co_return guarded({200, "{}"});
  }
  if (!get && (call.path == "/api/eval" || call.path == "/api/respawn")) {
    co_return co_await command(std::move(call));
  }
  co_return guarded(refused(404, "there is no such thing"));
}

/// The page's data in pieces, while there is a place for it.
Answer Dashboard::pieces(net::Pieces pieces) const {
  auto place = core_.page_answers.take("");
  if (!place) return guarded(refused(503, "the page is asked for too much at once; try again"));
  return control::Bytes{[pieces = std::move(pieces), place = std::move(place)] { return pieces(); },
                        "application/json", guarded({}).headers};
}

net::Task<Answer> Dashboard::command(Call call) {
  const auto what = call.path.substr(5);
  const auto& allow = core_.settings.dashboard.allow;
  if (std::find(allow.begin(), allow.end(), what) == allow.end()) {
    co_return guarded(refused(403, "[dashboard] allow has no \"" + what + '"'));
  }
  spdlog::info("{} asked for on the dashboard", what);
  call.path = "/v1/" + what;
  co_return co_await commands_(std::move(call));
}

Answer Dashboard::series(const Call& call) {
  const auto of = [&](const char* key) {
    const auto found = call.query.find(key);
    return found == call.query.end() ? std::string() : found->second;
  };
  const auto metric = std::find(fleet::kMetricNames.begin(), fleet::kMetricNames.end(), of("metric"));
  const auto range = of("range");
  if (metric == fleet::kMetricNames.end() || (range != "hour" && range != "day")) {
    return guarded(refused(400, "it takes a metric and a range, hour or day"));
  }
  std::set<std::string> names;
  const auto wanted = of("shards");
  if (wanted == "all" && core_.fleet.shards().size() > kMaxLines) {
    return guarded(refused(400, "there are too many shards for a line each; choose some"));
  }
  for (const auto name : split(wanted, ',')) names.emplace(name);
  return pieces(view_.series(static_cast<fleet::Metric>(metric - fleet::kMetricNames.begin()),
                             range == "hour" ? fleet::kHour : fleet::kDay, std::move(names),
                             wanted == "all"));
}

/// Server-sent events (HTML, section 9.2): the fleet as it is, then what changes.
net::Task<> Dashboard::follow(std::shared_ptr<control::LineStream> lines) {
  net::Timer pause(core_.context.get_executor());
  std::uint64_t told = 0;
  auto spoken = net::now();
  while (!lines->gone() && acceptor_.is_open()) {
    if (lines->waiting() > 0) {
      // A slow reader gets all that has changed at once, when it reads again.
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
  std::vector<net::Network> trusted;
  for (const auto& proxy : core_.settings.trusted_proxies) {
    if (const auto network = net::parse_network(proxy)) trusted.push_back(*network);
  }
  return net::limit_key(net::client_address(peer, std::string(call.headers["X-Forwarded-For"]), trusted));
}

bool Dashboard::too_many_failures(const std::string& key) {
  std::erase_if(failures_,
                [](const auto& entry) { return net::now() - entry.second.since > kFailureWindow; });
  const auto found = failures_.find(key);
  return found != failures_.end() && found->second.count >= kMaxFailures;
}

net::Task<bool> Dashboard::right_password(std::string password, std::string key) {
  const auto path = core_.settings.dashboard.password_file;
  const auto text = co_await net::run_in(core_.slow_work, [&path] { return read_file(path); });
  if (!text) spdlog::error("the dashboard's password: {}", text.error().message);
  const auto wanted = text ? std::string(trim(*text)) : std::string();
  if (!wanted.empty() && crypto::same_secret(password, wanted)) co_return true;
  auto& failures = failures_[key];
  if (failures.count++ == 0) failures.since = net::now();
  spdlog::warn("a wrong password for the dashboard (address {})", key);
  co_return false;
}

net::Task<Answer> Dashboard::log_in(const Call& call, const net::Address& peer) {
  const auto key = attempt_key(call, peer);
  if (too_many_failures(key)) co_return guarded(refused(429, "too many attempts; wait a little"));
  const auto body = body_object(call);
  std::string password;
  if (body) json::read(*body, "password", password);
  const bool right = co_await right_password(std::move(password), key);
  if (!right) co_return guarded(refused(401, "that is not the password"));
  std::erase_if(sessions_, [](const auto& session) { return session.second < net::now(); });
  if (sessions_.size() >= kMaxSessions) sessions_.erase(sessions_.begin());
  const auto token = crypto::random_token(32);
  sessions_.emplace(token, net::now() + kSessionLength);
  auto reply = guarded({200, "{}"});
  const bool https = header(call, http::field::origin).starts_with("https:");
  reply.headers.emplace_back(
      "Set-Cookie",
      std::string(kCookie) + '=' + token + "; HttpOnly; SameSite=Strict; Path=/" + (https ? "; Secure" : ""));
  co_return reply;
}

/// By the cookie of a login, or the password itself as a bearer token (RFC 6750).
net::Task<bool> Dashboard::may_see(const Call& call, const net::Address& peer) {
  if (core_.settings.dashboard.password_file.empty()) co_return true;
  const auto session = sessions_.find(cookie(call));
  if (session != sessions_.end() && session->second > net::now()) co_return true;
  const auto authorization = header(call, http::field::authorization);
  constexpr std::string_view kBearer = "Bearer ";
  if (!authorization.starts_with(kBearer)) co_return false;
  const auto key = attempt_key(call, peer);
  if (too_many_failures(key)) co_return false;
  auto password = authorization.substr(kBearer.size());
  co_return co_await right_password(std::move(password), key);
}

}  // namespace smaster::server
