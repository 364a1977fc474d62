#include "server/cluster/peer_link.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http.hpp>

#include "base/text.hpp"
#include "crypto/fast_verify.hpp"
#include "crypto/keys.hpp"
#include "net/clock.hpp"
#include "net/http_client.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

constexpr const char* kTarget = "/control";
constexpr std::string_view kProtocol = "smaster-control";
constexpr Millis kTimeout{3'000};
constexpr Millis kAskTimeout{1'000};
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr std::chrono::seconds kSayAgain{10};  ///< anyone can cause such log lines

constexpr std::size_t kMaxNonce = 64;
/// Maximum number of proofs queued for the signature check: in total, and per address.
constexpr std::size_t kMostProofs = 256;
constexpr std::size_t kMostProofsEach = 16;

/// The signed text: the target's name and run, so that it is useless elsewhere or later; the time; and a
/// nonce.
std::string proof_text(const std::string& name, const std::string& instance, std::string_view time,
                       std::string_view nonce) {
  return "smaster control " + name + ' ' + instance + ' ' + std::string(time) + ' ' + std::string(nonce);
}

/// Asks the peer for the id of its run. The stream stays usable.
net::Task<Result<std::string>> ask_instance(net::Stream& stream, boost::beast::flat_buffer& buffer,
                                            std::string authority) {
  net::Request request(http::verb::get, "/readyz", 11);
  request.set(http::field::host, authority);
  boost::system::error_code error;
  co_await http::async_write(stream, request, asio::redirect_error(net::use_task, error));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswer);
  if (!error) co_await http::async_read(stream, buffer, parser, asio::redirect_error(net::use_task, error));
  if (error) co_return fail(ErrorKind::unavailable, error.message());
  std::string instance(parser.get()[kInstanceHeader]);
  if (instance.empty() || !parser.get().keep_alive())
    co_return fail(ErrorKind::unavailable,
                   "it does not say which run of smaster it is; has it the same version?");
  co_return instance;
}

}  // namespace

PeerLink::PeerLink(const Parts& parts)
    : parts_(parts), turns_(parts.context, 1, kMostProofs, kMostProofsEach) {}

net::Task<Result<net::HttpEndpoint>> PeerLink::endpoint(const store::Member& member) {
  auto url = net::parse_http_url(member.url);
  if (!url) co_return fail(ErrorKind::unavailable, '"' + member.url + "\" is no address of a server");
  if (url->secure) {
    const auto ca_file = parts_.settings.cluster.ca_file;
    auto tls =
        co_await net::run_in(parts_.signatures, [&ca_file] { return net::client_tls_context(ca_file); });
    if (!tls) co_return tls.error();
    url->endpoint.tls = std::move(*tls);
  }
  co_return std::move(url->endpoint);
}

net::Task<Result<std::unique_ptr<net::Stream>>> PeerLink::dial(const store::Member& member) {
  const auto where = co_await endpoint(member);
  if (!where) co_return where.error();
  auto stream = co_await net::open_stream(parts_.context.get_executor(), *where, kTimeout);
  if (!stream) co_return stream.error();
  const net::Deadline deadline(**stream, kTimeout);
  boost::beast::flat_buffer buffer;
  auto authority = where->authority();
  const auto instance = co_await ask_instance(**stream, buffer, std::move(authority));
  if (!instance) {
    co_return fail(ErrorKind::unavailable, member.url + " did not answer: " +
                                               (deadline.expired() ? "too slow" : instance.error().message));
  }
  const auto time = std::to_string(to_unix_ms(net::wall_clock()));
  const auto nonce = crypto::random_token(16);
  const auto signer = parts_.proof.signer();
  const auto text = proof_text(member.name, *instance, time, nonce);
  const auto signature =
      co_await net::run_in(parts_.signatures, [&signer, &text] { return signer->sign(text); });
  net::Request request(http::verb::get, kTarget, 11);
  request.set(http::field::host, where->authority());
  request.set(http::field::connection, "Upgrade");
  request.set(http::field::upgrade, kProtocol);
  request.set(http::field::authorization, time + ',' + nonce + ',' + signature);
  boost::system::error_code error;
  co_await http::async_write(**stream, request, asio::redirect_error(net::use_task, error));
  http::response_parser<http::empty_body> parser;
  if (!error) {
    co_await http::async_read_header(**stream, buffer, parser, asio::redirect_error(net::use_task, error));
  }
  if (error) {
    co_return fail(ErrorKind::unavailable,
                   member.url + " did not answer: " + (deadline.expired() ? "too slow" : error.message()));
  }
  if (parser.get().result() != http::status::switching_protocols) {
    co_return fail(
        ErrorKind::unavailable,
        member.url + " refuses this server (HTTP " + std::to_string(parser.get().result_int()) +
            "): it has another shardMaster.priv, or the clocks differ; its log says which. After several "
            "refusals (429) it takes none for [limits] conn_time");
  }
  co_return std::move(*stream);
}

net::Task<Result<Millis>> PeerLink::lag(const store::Member& member) {
  const auto where = co_await endpoint(member);
  if (!where) co_return where.error();
  net::HttpClient client(parts_.context.get_executor(), *where);
  net::Request request(http::verb::get, "/readyz", 11);
  request.keep_alive(false);
  const auto response = co_await client.exchange(std::move(request), kAskTimeout, kMaxAnswer);
  if (!response) co_return response.error();
  const auto ms = parse_int<std::int64_t>(std::string_view((*response)[kLagHeader]));
  if (!ms) co_return fail(ErrorKind::unavailable, "it does not say");
  co_return Millis{*ms};
}

bool PeerLink::asked_for(const net::Request& request) {
  return request.target() == kTarget && request.method() == http::verb::get &&
         request[http::field::upgrade] == kProtocol;
}

http::status PeerLink::refuse(const std::string& address, const char* why) {
  attempts_.count(address, net::now());
  if (net::now() >= said_ + kSayAgain) {
    spdlog::warn("somebody wants to use the control API as another server, {} (address {})", why, address);
    said_ = net::now();
  }
  return http::status::forbidden;
}

net::Task<http::status> PeerLink::judge(const net::Request& request, const net::Address& peer,
                                        std::string name) {
  const auto& settings = parts_.settings;
  const auto address = net::Proxies(settings.trusted_proxies).limit_key(peer, net::forwarded_for(request));
  const auto exhausted = [&] {
    return attempts_.exhausted(address, settings.conn_count, settings.conn_time, net::now());
  };
  if (exhausted()) co_return http::status::too_many_requests;
  const std::string header(request[http::field::authorization]);
  const auto parts = split(header, ',');
  if (parts.size() != 3 || parts[1].size() > kMaxNonce || parts[2].size() > crypto::kMaxSignature)
    co_return refuse(address, "with a malformed proof");
  const auto ms = parse_int<std::int64_t>(parts[0]);
  const auto precision = settings.timestamp_precision;
  if (!ms || std::chrono::abs(from_unix_ms(*ms) - net::wall_clock()) > precision)
    co_return refuse(address, "with a proof that is not of now: the clocks differ");
  auto text = proof_text(name, parts_.instance, parts[0], parts[1]);
  if (used_.contains(text)) co_return refuse(address, "with a proof that was used before");
  auto turn = co_await turns_.take(address);
  if (!turn) co_return http::status::service_unavailable;
  // Proofs ahead in the queue may have used up the address's limit.
  if (exhausted()) co_return http::status::too_many_requests;
  const auto key = parts_.proof.public_pem();
  const bool good =
      co_await net::run_in(parts_.signatures, [&] { return crypto::fast_verify(key, text, parts[2]); });
  turn.give_back();
  if (!good)
    co_return refuse(address,
                     "without having this server's shardMaster.priv, or with a proof for another run of it");
  if (!used_.insert(std::move(text), from_unix_ms(*ms) + precision, net::wall_clock()))
    co_return refuse(address, "with a proof that was used before");
  co_return http::status::switching_protocols;
}

}  // namespace smaster::server
