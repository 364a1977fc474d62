#include "agent/joining/join_client.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "net/http_client.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;
using wire::JoinRefusal;

constexpr Millis kExchange{15'000};
constexpr Millis kPause{1'000};
/// Each request has at least that long, however little is left of the timeout.
constexpr Millis kLeast{1'000};
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr std::size_t kNonceBytes = 32;
/// How often all servers are asked if none can be reached at all.
constexpr int kMostSilentRounds = 3;

/// A server's refusal as an error. The sentences are ours: whoever stands between may have written the
/// answer.
Error refusal_error(const std::string& server, const wire::Refused& refused) {
  const auto denied = [&](const std::string& text) { return fail(ErrorKind::not_permitted, text); };
  const std::string again = "; make a new line with \"smaster join-token\" on the server";
  switch (refused.why) {
    case JoinRefusal::malformed:
      return fail(ErrorKind::bad_data,
                  server + " does not understand the request; install the same version of smaster on both");
    case JoinRefusal::unknown:
      return denied(server +
                    " knows no such token: it was revoked or has expired, or the line is incomplete or of "
                    "another server" +
                    again);
    case JoinRefusal::expired:
      return denied("the token has expired, by the clock of " + server + again);
    case JoinRefusal::used_up:
      return denied(
          "the token is used up; if no host of yours has used it, somebody else has the line: \"smaster "
          "events --audit\" on the server says who joined" +
          again);
    case JoinRefusal::other_key:
      return denied(server +
                    " has another key than the line says: its keys were replaced since, or it is another "
                    "server" +
                    again);
    case JoinRefusal::too_many:
      return fail(ErrorKind::unavailable,
                  server +
                      " has refused too many requests from this address; try again in "
                      "half a minute");
    case JoinRefusal::follows:
      return fail(ErrorKind::unavailable, server + " does not lead, and no server that leads can be reached");
    case JoinRefusal::busy:
      return fail(ErrorKind::unavailable, server + " is busy; try again");
    case JoinRefusal::failed:
      return fail(ErrorKind::unavailable,
                  server + " cannot write its store; \"smaster doctor\" there says why");
  }
  return fail(ErrorKind::internal, server + " refuses for an unknown reason");
}

/// What came of asking one server.
struct Asked {
  Result<Joined> result = fail(ErrorKind::unavailable, "it was not asked");
  bool answered = false;  ///< by a server that knows of joining
  bool again = false;     ///< it, or another one, may take it later
  std::string leader;
};

class Asking {
 public:
  Asking(asio::io_context& context, const wire::JoinLine& line, const crypto::KeyPair& keys,
         std::shared_ptr<asio::ssl::context> tls, const JoinOptions& options)
      : context_(context), line_(line), keys_(keys), tls_(std::move(tls)), options_(options) {}

  net::Task<> run(Result<Joined>& result) {
    const auto until = net::now() + options_.timeout;
    int silent = 0;
    while (true) {
      auto servers = line_.servers;
      bool again = false;
      bool answered = false;
      for (std::size_t at = 0; at < servers.size(); ++at) {
        const auto server = servers[at];
        if (at > 0 && net::now() >= until) co_return;
        auto asked =
            co_await ask(server, std::max(std::chrono::duration_cast<Millis>(until - net::now()), kLeast));
        // A refusal says more than a server that cannot be reached.
        if (asked.answered || !answered) result = std::move(asked.result);
        if (result || (asked.answered && !asked.again)) co_return;
        answered = answered || asked.answered;
        again = again || asked.again;
        const bool known = std::find(servers.begin(), servers.end(), asked.leader) != servers.end();
        if (!asked.leader.empty() && !known && servers.size() < wire::kMostJoinServers) {
          servers.push_back(asked.leader);
        }
      }
      if (!again || net::now() + kPause >= until || (!answered && ++silent >= kMostSilentRounds)) co_return;
      options_.say(result.error().message + "; trying again");
      net::Timer pause(context_.get_executor(), kPause);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
    }
  }

 private:
  net::Task<Asked> ask(std::string server, Millis longest) {
    Asked asked;
    const auto url = net::parse_http_url(server);
    if (!url) {
      asked.result = fail(ErrorKind::bad_data, "\"" + server + "\" is no address of a server");
      co_return asked;
    }
    auto endpoint = url->endpoint;
    if (url->secure) endpoint.tls = tls_;
    // Each request has another nonce: a server takes it once.
    wire::JoinRequest wanted{line_.token, crypto::random_token(kNonceBytes), line_.fingerprint,
                             keys_.public_pem};
    wire::Sealed sealed{wire::to_text(wanted), {}, {}};
    sealed.proof = crypto::hmac(line_.secret, wire::request_to_prove(sealed.text));
    net::Request request(http::verb::post, wire::kJoinPath, 11);
    request.set(http::field::content_type, "application/json");
    request.keep_alive(false);
    request.body() = wire::to_text(sealed);
    net::HttpClient client(context_.get_executor(), endpoint);
    const auto response =
        co_await client.exchange(std::move(request), std::min(kExchange, longest), kMaxAnswer);
    if (!response) {
      asked.result = response.error();
      asked.again = true;
      co_return asked;
    }
    if (response->result() == http::status::ok) {
      asked.result = verified(server, wanted.nonce, response->body());
      asked.answered = asked.result || asked.result.error().kind == ErrorKind::not_permitted;
      co_return asked;
    }
    const auto refused = wire::parse_refusal(response->body());
    if (!refused) {
      asked.result =
          fail(ErrorKind::unavailable,
               server + " answers " + std::to_string(response->result_int()) + " to " + wire::kJoinPath +
                   ": it is no smaster server, an older version, or a proxy that does not pass this on");
      co_return asked;
    }
    asked.result = refusal_error(server, *refused);
    asked.answered = true;
    asked.again = refused->why == JoinRefusal::follows || refused->why == JoinRefusal::busy;
    asked.leader = refused->leader;
    co_return asked;
  }

  /// The answer, if it is signed for this request by the key of the line.
  [[nodiscard]] Result<Joined> verified(const std::string& server, const std::string& nonce,
                                        const std::string& body) const {
    const auto sealed = wire::parse_sealed(body);
    if (!sealed)
      return fail(ErrorKind::unavailable, server + " is no smaster server: " + sealed.error().message);
    if (crypto::fingerprint(sealed->key) != line_.fingerprint ||
        !crypto::verify(sealed->key, wire::answer_to_prove(nonce, sealed->text), sealed->proof)) {
      return fail(
          ErrorKind::not_permitted,
          server +
              " does not prove that it has the key of the line: somebody may stand between this host "
              "and the server. Nothing was written, and the token was not sent; check the address, and "
              "make a new line with \"smaster join-token\" on the server");
    }
    auto answer = wire::parse_join_answer(sealed->text);
    if (!answer) return answer.error();
    auto config = json::parse(answer->config);
    if (!config || !config->is_object())
      return fail(ErrorKind::bad_data, "the config in the answer is no object");
    config->get_object()["privKey"] = keys_.private_pem;
    const auto ahead = net::wall_clock() - answer->time;
    return Joined{std::move(*answer), json::serialize(*config), ahead};
  }

  asio::io_context& context_;
  const wire::JoinLine& line_;
  const crypto::KeyPair& keys_;
  const std::shared_ptr<asio::ssl::context> tls_;
  const JoinOptions& options_;
};

}  // namespace

Result<Joined> join_fleet(const wire::JoinLine& line, const JoinOptions& options) {
  auto tls = net::client_tls_context(options.ca_file);
  if (!tls) return tls.error();
  const auto keys = crypto::generate_key_pair();
  if (!keys) return keys.error();
  asio::io_context context{1};
  Result<Joined> result = fail(ErrorKind::internal, "joining failed");
  Asking asking(context, line, *keys, std::move(*tls), options);
  net::TaskScope tasks(context.get_executor(), "join");
  tasks.spawn("ask", asking.run(result));
  context.run();
  return result;
}

}  // namespace smaster::agent
