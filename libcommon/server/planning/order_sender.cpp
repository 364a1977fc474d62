#include "server/planning/order_sender.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iterator>
#include <utility>

#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/planning/target.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

constexpr std::chrono::seconds kRetryBudget{1};
/// Maximum number of shards told something in one turn of the loop.
constexpr std::size_t kToldAtOnce = 200;
/// Maximum time for sending orders in one turn of the loop.
constexpr Millis kSending{2};
/// Logins reserved in the store in advance: a new leader loses at most this many.
constexpr std::int64_t kLoginsAhead = 20;
constexpr ShardId kExit{-2};  // WIRE.md, `update`: the shard program itself exits

}  // namespace

OrderSender::OrderSender(asio::io_context& context, const Settings& settings, Directory& directory,
                         RowWriter& rows, StoreThread& store, fleet::Orders& orders, net::TaskScope& tasks)
    : context_(context),
      settings_(settings),
      directory_(directory),
      rows_(rows),
      store_(store),
      orders_(orders),
      tasks_(tasks),
      timer_(context.get_executor()) {
  refresh_config();
}

void OrderSender::send_update(Shard& shard) {
  orders_.remind(shard, net::fleet_clock());
  deliver_later();
}

void OrderSender::respawn(Shard& shard) {
  orders_.respawn(shard, net::fleet_clock());
  deliver_later();
}

void OrderSender::respawn_after(Shard& shard, Millis delay) {
  orders_.respawn(shard, net::fleet_clock(), delay);
  deliver_later();
}

void OrderSender::reboot(Shard& shard) {
  orders_.reboot(shard, net::fleet_clock());
  deliver_later();
}

void OrderSender::exit(Shard& shard) {
  orders_.exit(shard, net::fleet_clock());
  deliver_later();
}

void OrderSender::may_start(Shard& shard, socketio::AckId ack_id) {
  shard.start_asked = ack_id;
  orders_.ask_to_start(shard);
  deliver_later();
}

bool OrderSender::ask_login(Shard& shard, ShardId id, std::uint64_t ask) {
  if (!orders_.ask_login(shard, id, ask, net::fleet_clock())) return false;
  deliver_later();
  return true;
}

void OrderSender::login(Shard& shard, fleet::LoginNews news, Millis ago) {
  const auto now = net::fleet_clock();
  news.at = now - ago;
  orders_.login(shard, news, now);
  deliver_later();
}

std::optional<Time> OrderSender::parked_until(const Shard& shard) const {
  return orders_.parked_until(shard, net::fleet_clock());
}

bool OrderSender::refresh_config() {
  const auto& s = settings_;
  const boost::json::object heartbeat{{"updateStyle", to_string(s.update_style)},
                                      {"interval", s.interval.count()},
                                      {"requestRebootAfter", s.request_reboot_after.count()},
                                      {"expectRebootAfter", s.expect_reboot_after.count()},
                                      {"assumeDeadAfter", s.assume_dead_after.count()},
                                      {"useMessageStats", s.use_message_stats}};
  auto text = json::serialize(
      boost::json::object{{"botName", s.bot_name},
                          {"nodeArgs", boost::json::array(s.node_args.begin(), s.node_args.end())},
                          {"botArgs", boost::json::array(s.bot_args.begin(), s.bot_args.end())},
                          {"heartbeat", heartbeat}});
  if (text == config_text_) return false;
  config_text_ = std::move(text);
  return true;
}

net::Task<> OrderSender::tell_all_anew() {
  std::size_t told = 0;
  for (auto at = directory_.shards().begin(); at != directory_.shards().end();) {
    orders_.tell_anew(at->second, net::fleet_clock());
    if (++told % kToldAtOnce != 0) {
      ++at;
      continue;
    }
    deliver_later();
    const auto name = at->first;
    co_await asio::post(context_, net::use_task);
    at = directory_.shards().upper_bound(name);
  }
  deliver_later();
}

/// Orders made in one turn are delivered together, since each delivery goes through all waiting logins.
void OrderSender::deliver_later() {
  if (std::exchange(delivery_due_, true)) return;
  asio::post(context_, [this] {
    delivery_due_ = false;
    deliver();
  });
}

void OrderSender::deliver() {
  if (finished_) return;
  // No further logins are permitted while others wait until they are counted in the store.
  if (!waits_for_budget_) orders_.tick(net::fleet_clock(), kToldAtOnce);
  if (identify().drifted() && logins_drifted) logins_drifted();
  if (!std::exchange(said_slowed_, identify().slowed()) && said_slowed_) {
    spdlog::warn(
        "Discord refuses logins in their turn, so its max_concurrency may have fallen; until it is asked "
        "for that, within a minute, one bot logs in every 5 s");
  }
  waits_for_budget_ = !budget_kept();
  if (waits_for_budget_) return;
  auto orders = orders_.take_orders();
  std::move(orders.begin(), orders.end(), std::back_inserter(outbox_));
  send_orders();
  arm_timer();
}

/// In several turns of the loop, so that thousands of orders do not delay other work.
void OrderSender::send_orders() {
  const auto until = net::now() + kSending;
  while (!outbox_.empty() && net::now() < until) {
    const auto order = std::move(outbox_.front());
    outbox_.pop_front();
    send(order);
  }
  if (outbox_.empty() || std::exchange(sending_, true)) return;
  asio::post(context_, [this] {
    sending_ = false;
    if (!finished_) send_orders();
  });
}

/// True if the logins about to be permitted are counted in the store, so that a new leader cannot permit them
/// once more. Without a shared store, permits do not wait for that.
bool OrderSender::budget_kept() {
  const auto& limits = identify().limits();
  if (!identify().limits_known()) return true;
  if (budget_) {
    auto kept = *budget_;
    kept.remaining = limits->remaining;
    if (kept == *limits && limits->remaining.value_or(0) >= budget_->remaining.value_or(0)) return true;
  }
  if (!keeping_budget_) tasks_.spawn("save the login budget", keep_budget());
  return !settings_.store.shared();
}

net::Task<> OrderSender::keep_budget() {
  auto busy = std::optional(keeping_budget_.begin());
  auto limits = *identify().limits();
  if (limits.remaining) limits.remaining = std::max<std::int64_t>(*limits.remaining - kLoginsAhead, 0);
  auto text = to_text(limits);
  const auto saved = co_await store_.save_note(kIdentifyNote, std::move(text));
  if (saved) {
    budget_ = limits;
  } else {
    net::Timer pause(context_.get_executor(), kRetryBudget);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }
  busy.reset();
  deliver();
}

void OrderSender::arm_timer() {
  const auto now = net::fleet_clock();
  const auto next = orders_.next(now);
  if (!next) return;
  timer_.expires_after(std::max(*next - now, Millis{1}));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) deliver();
  });
}

void OrderSender::exit_now(const ShardName& name) { send(fleet::Order{fleet::Order::Kind::exit, name, {}}); }

void OrderSender::resume_budget(const fleet::IdentifyLimits& limits) {
  orders_.limit(limits);
  budget_ = limits;
}

void OrderSender::finish() {
  deliver();
  for (const auto& order : std::exchange(outbox_, {})) send(order);
  finished_ = true;
  timer_.cancel();
}

void OrderSender::send(const fleet::Order& order) {
  auto* const shard = directory_.find(order.shard);
  if (shard == nullptr || !shard->connected()) return;
  auto& session = *shard->session;
  switch (order.kind) {
    case fleet::Order::Kind::respawn:
      session.emit("respawn", {std::to_string(order.delay.count())});
      break;
    case fleet::Order::Kind::start:
      if (const auto ack_id = std::exchange(shard->start_asked, std::nullopt))
        session.answer(*ack_id, {"null"});
      break;
    case fleet::Order::Kind::update:
      rows_.save_soon(*shard);
      session.emit("update", {update_text(*shard, order.assignment.first(), order.assignment)});
      break;
    case fleet::Order::Kind::permit:
      session.emit("permit",
                   {R"({"id":)" + std::to_string(order.assignment.first().value) + R"(,"ask":)" +
                    std::to_string(order.ask) + R"(,"waited":)" + std::to_string(order.delay.count()) + '}'});
      break;
    case fleet::Order::Kind::drop:
      session.say(spdlog::level::warn, "unheard",
                  "has sent no status since it connected; it is disconnected");
      session.close();
      break;
    case fleet::Order::Kind::exit:
      session.emit("update", {update_text(*shard, kExit, {})});
      break;
  }
}

/// WIRE.md's `update`. Agents also get all ids, and whether they must ask before they restart a bot.
std::string OrderSender::update_text(const Shard& shard, ShardId id,
                                     const fleet::Assignment& assignment) const {
  const bool agent = shard.session->is_agent();
  const auto ids = assignment.bound() ? fleet::ids_text(assignment) : "";
  return R"({"id":)" + std::to_string(id.value) + (agent ? R"(,"ids":[)" + ids + ']' : "") + R"(,"count":)" +
         std::to_string(assignment.count.value) +
         (shard.info.is_master ? R"(,"master":true)" : R"(,"master":false)") +
         (agent && identify().limits() ? R"(,"identify":"ask")" : "") + R"(,"config":)" + config_text_ + '}';
}

}  // namespace smaster::server
