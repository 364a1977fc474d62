#include "agent/leader_lookup.hpp"

#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "net/clock.hpp"

namespace smaster::agent {
namespace {

namespace http = boost::beast::http;

constexpr Millis kTimeout{2'000};
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr Millis kLeaderGoodFor{300};

}  // namespace

LeaderLookup::LeaderLookup(net::asio::io_context& context, std::vector<MasterAddress> masters,
                           std::shared_ptr<net::asio::ssl::context> tls)
    : executor_(context.get_executor()),
      masters_(std::move(masters)),
      tls_(std::move(tls)),
      one_answered_(context.get_executor(), Instant::max()),
      tasks_(context.get_executor(), "leader lookup") {}

net::HttpEndpoint LeaderLookup::endpoint(std::size_t master) const {
  const auto& address = masters_[master];
  return {address.host, address.port, address.path, address.tls ? tls_ : nullptr};
}

net::Task<std::optional<std::size_t>> LeaderLookup::find() {
  if (masters_.size() == 1) co_return 0;
  const auto self = shared_from_this();
  const bool fresh = leader_ && net::now() < found_at_ + kLeaderGoodFor;
  // A leader of a while ago is not returned only because another master has not answered since.
  if (!fresh && (waiting_ == 0 || leader_)) {
    leader_.reset();
    waiting_ = masters_.size();
    const auto round = ++round_;
    for (std::size_t i = 0; i < masters_.size(); ++i) {
      tasks_.spawn("ask for the leader", ask_and_count(i, round), [self, round] { self->answered(round); });
    }
  }
  // Continue at the first leader found: a master that does not answer must not delay this.
  while (waiting_ > 0 && !leader_) {
    boost::system::error_code ignored;
    co_await one_answered_.async_wait(net::asio::redirect_error(net::use_task, ignored));
  }
  co_return leader_;
}

void LeaderLookup::answered(std::uint64_t round) {
  if (round != round_) return;
  --waiting_;
  one_answered_.cancel();
}

net::Task<> LeaderLookup::ask_and_count(std::size_t master, std::uint64_t round) {
  const auto self = shared_from_this();
  co_await ask(master, round);
  answered(round);
}

net::Task<> LeaderLookup::ask(std::size_t master, std::uint64_t round) {
  const auto where = endpoint(master);
  net::HttpClient client(executor_, where);
  net::Request request(http::verb::get, "/readyz", 11);
  request.keep_alive(false);
  const auto answer = co_await client.exchange(std::move(request), kTimeout, kMaxAnswer);
  if (leads(answer) && round == round_ && !leader_) {
    leader_ = master;
    found_at_ = net::now();
  }
}

/// Any answer but 503 counts: a proxy may not know /readyz, in which case the handshake decides.
bool LeaderLookup::leads(const Result<net::Response>& answer) {
  return answer && answer->result() != http::status::service_unavailable;
}

}  // namespace smaster::agent
