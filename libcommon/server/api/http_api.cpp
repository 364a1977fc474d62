#include "server/api/http_api.hpp"

#include <boost/json/array.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/clock.hpp"
#include "server/api/gzip.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/peer_link.hpp"
#include "server/fairness/slices.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"
#include "wire/join/join_messages.hpp"

namespace smaster::server {
namespace {

namespace http = boost::beast::http;

constexpr Millis kDefaultHistory{24 * 3'600'000};
/// Limits of one history answer; shards beyond them are only listed in `left_out`.
constexpr std::size_t kMaxPasts = 256;
constexpr std::size_t kMaxPastBytes = 64 << 20;

/// The key of per-client limits: the client's address, behind trusted proxies.
std::string client_key(const HttpParts& parts, const net::Request& request, const net::Address& peer) {
  return net::Proxies(parts.settings.trusted_proxies).limit_key(peer, net::forwarded_for(request));
}

/// The history answer: {NAME: [status, …] of each requested shard, left_out: requested shards beyond the
/// limits, ids: all known shards}.
class Pasts {
 public:
  Pasts(const HttpParts& parts, std::string who, boost::urls::url_view url)
      : parts_(parts), who_(std::move(who)), since_(net::wall_clock() - kDefaultHistory) {
    std::set<ShardName> names;
    for (const auto& parameter : url.params()) {
      const std::string value(parameter.value);
      if (parameter.key == "since") {
        if (const auto ms = parse_int<std::int64_t>(value)) since_ = from_unix_ms(*ms);
      } else if (parameter.key == "id") {
        for (const auto text : split(value, ',')) {
          auto name = ShardName::parse_seat(text);
          if (name && parts.directory.find(*name) != nullptr) names.insert(std::move(*name));
        }
      }
    }
    names_.assign(names.begin(), names.end());
  }

  net::Task<Result<std::string>> next() {
    std::string out;
    if (at_ < names_.size() && at_ < kMaxPasts && written_ < kMaxPastBytes) {
      auto member = co_await history_member(parts_.history, names_[at_], since_, who_);
      if (!member) co_return member.error();
      out = (at_++ == 0 ? "{" : ",") + *member;
      written_ += out.size();
      co_return out;
    }
    if (ended_) co_return out;
    if (!std::exchange(listing_, true)) out = left_out() + "\"ids\":[";
    Slice slice(parts_.slices, kForStrangers);
    co_await slice.next();
    const auto go_on = [&] { return !slice.over() && out.size() < kPieceBytes; };
    const auto list = [&](const auto& entry) {
      out.append(std::exchange(any_, true) ? "," : "").append(json::quote(entry.first.str()));
    };
    while (!ids_.over(parts_.directory.shards(), list, go_on)) {
      if (out.size() >= kPieceBytes) co_return out;
      co_await slice.next();
    }
    ended_ = true;
    co_return out + "]}";
  }

 private:
  /// The text before `ids`.
  [[nodiscard]] std::string left_out() const {
    std::string text = at_ == 0 ? "{" : ",";
    if (at_ == names_.size()) return text;
    boost::json::array names;
    for (auto at = at_; at < names_.size(); ++at) names.emplace_back(names_[at].str());
    return text + "\"left_out\":" + json::serialize(names) + ',';
  }

  const HttpParts& parts_;
  const std::string who_;
  Time since_;
  std::vector<ShardName> names_;
  std::size_t at_ = 0;
  std::size_t written_ = 0;
  bool listing_ = false;
  Walk<ShardName> ids_;
  bool any_ = false;
  bool ended_ = false;
};

/// The reason why no shards should be sent here; empty: ready.
std::string unready(const HttpParts& parts, const Candidacy* candidacy) {
  if (!parts.leadership.held()) {
    const auto leader = candidacy == nullptr ? std::string() : candidacy->leader().url;
    return leader.empty() ? "stands by; no server leads now" : "stands by; " + leader + " leads";
  }
  // In a cluster, stay ready even if the store is down: no other server may lead.
  if (candidacy != nullptr || parts.store.trouble().empty()) return "";
  return "degraded, served from memory: " + parts.store.trouble();
}

/// For `/readyz?strict`; empty: enough ids of the goal have a running bot.
std::string too_many_down(const HttpParts& parts) {
  const auto down = parts.conditions.ids_down();
  const auto ids = parts.conditions.ids();
  if (down * 100 < ids * parts.settings.alerts.ready_percent || down == 0) return "";
  return "degraded: " + std::to_string(down) + " of " + std::to_string(ids) +
         " shard ids have no running bot";
}

net::Answer unavailable(net::Response response, std::string sentence) {
  response.result(http::status::service_unavailable);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = std::move(sentence) + '\n';
  response.prepare_payload();
  return response;
}

/// Sends the pieces as the client reads them, and holds `place` until then. Without a place, or on an error
/// before the first piece, the answer is 503.
net::Task<net::Answer> in_pieces(const HttpParts& parts, const net::Request& request, net::Response response,
                                 net::Pieces pieces, std::shared_ptr<void> place) {
  if (!place) {
    response.set(http::field::retry_after, "1");
    co_return unavailable(std::move(response),
                          "as many such answers as there may be are being written; try again");
  }
  auto first = co_await pieces();
  if (!first) co_return unavailable(std::move(response), first.error().message);
  net::Pieces all = [first = std::move(*first), pieces = std::move(pieces),
                     place = std::move(place)]() mutable -> net::Task<Result<std::string>> {
    if (!first.empty()) co_return std::exchange(first, {});
    co_return co_await pieces();
  };
  response.result(http::status::ok);
  response.set(http::field::vary, "Accept-Encoding");
  const auto accepted = request[http::field::accept_encoding];
  if (accepted.find("gzip") != accepted.npos) {
    response.set(http::field::content_encoding, "gzip");
    all = compressed(parts.rendering, std::move(all));
  }
  response.body().clear();
  co_return net::Answer(std::move(response), std::move(all));
}

/// The pieces, then the text that `last` returns.
net::Pieces followed_by(net::Pieces pieces, std::function<std::string()> last) {
  return [pieces = std::move(pieces), last = std::move(last)]() mutable -> net::Task<Result<std::string>> {
    auto piece = co_await pieces();
    if (piece && piece->empty() && last) piece = std::exchange(last, nullptr)();
    co_return piece;
  };
}

}  // namespace

net::Task<net::Answer> answer_http(const HttpParts& parts, const Candidacy* candidacy, std::size_t sessions,
                                   const net::Request& request, const net::Address& peer) {
  net::Response response(http::status::not_implemented, request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = "501: Not Implemented\n";
  const auto url = boost::urls::parse_origin_form(request.target());
  const auto path = url ? std::string(url->path()) : std::string();
  if (request.method() == http::verb::post && path == wire::kJoinPath) {
    auto address = client_key(parts, request, peer);
    auto leader = candidacy == nullptr ? std::string() : candidacy->leader().url;
    co_return co_await answer_join(parts, std::move(response), request.body(), std::move(address),
                                   std::move(leader));
  }
  const bool get = request.method() == http::verb::get;
  if (get && (path == "/healthz" || path == "/readyz")) {
    auto why = path == "/healthz" ? "" : unready(parts, candidacy);
    if (why.empty() && path == "/readyz" && url->params().contains("strict")) why = too_many_down(parts);
    response.result(why.empty() ? http::status::ok : http::status::service_unavailable);
    response.body() = why.empty() ? "ok\n" : why + '\n';
    const auto& trouble = parts.store.trouble();
    if (why.empty() && path == "/readyz" && !trouble.empty()) response.body() = "ok, but " + trouble + '\n';
    if (candidacy != nullptr) {
      response.set(kInstanceHeader, parts.instance);
      response.set(kLagHeader, std::to_string(candidacy->lag().count()));
      if (!candidacy->leader().url.empty()) response.set(kLeaderHeader, candidacy->leader().url);
    }
  } else if (get && path == "/metrics") {
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    auto pieces = followed_by(prometheus_pieces(parts.stats, sessions), parts.own_metrics);
    auto place = parts.metrics_answers.take(client_key(parts, request, peer));
    co_return co_await in_pieces(parts, request, std::move(response), std::move(pieces), std::move(place));
  } else if (get && path == "/api/public/shard-status-history") {
    response.set(http::field::content_type, "application/json");
    auto who = client_key(parts, request, peer);
    auto place = parts.past_answers.take(who);
    // Named, since GCC 12 destroys a closure's captures twice where it is a temporary of a co_await.
    net::Pieces pieces = [pasts = std::make_shared<Pasts>(parts, std::move(who), *url)] {
      return pasts->next();
    };
    co_return co_await in_pieces(parts, request, std::move(response), std::move(pieces), std::move(place));
  }
  response.prepare_payload();
  co_return response;
}

}  // namespace smaster::server
