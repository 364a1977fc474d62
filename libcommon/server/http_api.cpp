#include "server/http_api.hpp"

#include <zlib.h>

#include <boost/json/array.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/text.hpp"
#include "control/render.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/candidacy.hpp"
#include "server/core.hpp"
#include "server/history.hpp"
#include "server/peer_link.hpp"
#include "server/stats.hpp"

namespace smaster::server {
namespace {

namespace http = boost::beast::http;

constexpr Millis kDefaultHistory{24 * 3'600'000};
constexpr std::size_t kWorthwhile = 1024;  ///< bytes from which on compressing pays

/// RFC 1952, by zlib.
std::string gzip(const std::string& text) {
  constexpr int kGzipWindow = 15 + 16;
  constexpr int kMemory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int end = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return end == Z_STREAM_END ? packed : std::string();
}

/// {ids: all that there are, NAME: [status, …] for each that is asked for}.
net::Task<Result<std::string>> history(Core& core, boost::urls::url_view url) {
  boost::json::array ids;
  for (const auto& [name, shard] : core.fleet.shards()) ids.emplace_back(name.str());
  std::vector<ShardName> names;
  auto since = net::wall_clock() - kDefaultHistory;
  for (const auto& parameter : url.params()) {
    const std::string value(parameter.value);
    if (parameter.key == "since") {
      if (const auto ms = parse_int<std::int64_t>(value)) since = from_unix_ms(*ms);
    } else if (parameter.key == "id") {
      for (const auto text : split(value, ',')) {
        auto name = ShardName::parse_seat(text);
        if (name && core.fleet.find(*name) != nullptr) names.push_back(std::move(*name));
      }
    }
  }
  auto answer = "{\"ids\":" + json::serialize(ids);
  for (const auto& name : names) {
    const auto member = co_await history_member(core, name, since);
    if (!member) co_return member.error();
    answer += ',' + *member;
  }
  co_return answer + '}';
}

/// Why no shards should be sent here; empty: they may come.
std::string unready(Core& core, const Candidacy* candidacy) {
  if (!core.leadership.held()) {
    const auto leader = candidacy == nullptr ? std::string() : candidacy->leader().url;
    return leader.empty() ? "stands by; no server leads now" : "stands by; " + leader + " leads";
  }
  // Of several servers no other would take them.
  if (candidacy != nullptr || core.fleet.store_trouble().empty()) return "";
  return "degraded, served from memory: " + core.fleet.store_trouble();
}

void compress(const net::Request& request, net::Response& response) {
  response.set(http::field::vary, "Accept-Encoding");
  const auto accepted = request[http::field::accept_encoding];
  if (response.body().size() < kWorthwhile || accepted.find("gzip") == accepted.npos) return;
  auto packed = gzip(response.body());
  if (packed.empty()) return;
  response.set(http::field::content_encoding, "gzip");
  response.body() = std::move(packed);
}

}  // namespace

net::Task<net::Response> answer_http(Core& core, const Candidacy* candidacy, std::size_t sessions,
                                     const net::Request& request) {
  net::Response response(http::status::not_implemented, request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = "501: Not Implemented\n";
  const auto url = boost::urls::parse_origin_form(request.target());
  const auto path = url ? std::string(url->path()) : std::string();
  const bool get = request.method() == http::verb::get;
  if (get && (path == "/healthz" || path == "/readyz")) {
    const auto why = path == "/healthz" ? "" : unready(core, candidacy);
    response.result(why.empty() ? http::status::ok : http::status::service_unavailable);
    response.body() = why.empty() ? "ok\n" : why + '\n';
    const auto& trouble = core.fleet.store_trouble();
    if (why.empty() && path == "/readyz" && !trouble.empty()) response.body() = "ok, but " + trouble + '\n';
    if (candidacy != nullptr) {
      response.set(kInstanceHeader, core.instance);
      response.set(kLagHeader, std::to_string(candidacy->lag().count()));
      if (!candidacy->leader().url.empty()) response.set(kLeaderHeader, candidacy->leader().url);
    }
  } else if (get && path == "/metrics") {
    const Gauges gauges{core.fleet.identify().waiting(),
                        core.sql.waiting(),
                        core.mail.waiting(),
                        core.files.waiting(),
                        &core.descriptors,
                        core.fleet.store_trouble().empty(),
                        core.leadership.held()};
    response.result(http::status::ok);
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response.body() = control::stats_as_prometheus(stats_json(core, sessions)) + core.metrics.text(gauges);
    compress(request, response);
  } else if (get && path == "/api/public/shard-status-history") {
    const auto text = co_await history(core, *url);
    response.result(text ? http::status::ok : http::status::service_unavailable);
    if (text) response.set(http::field::content_type, "application/json");
    response.body() = text ? *text : text.error().message + '\n';
    compress(request, response);
  }
  response.prepare_payload();
  co_return response;
}

}  // namespace smaster::server
