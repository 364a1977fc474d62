// The page's requests that the control API handles.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json/object.hpp>

#include "control/shard_page.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/dashboard/dashboard.hpp"

namespace smaster::server {
namespace {

constexpr const char* kMostEvents = "200";  ///< of one answer

/// A request of the page that the control API handles. `permission`: what `allow` must have; empty: nothing.
struct Passed {
  std::string_view method;
  std::string_view path;
  std::string_view to_method;
  std::string_view to;
  std::string_view permission;
};
constexpr Passed kPassed[] = {
    {"GET", "/api/shard", "GET", "/v1/shard", ""},
    {"GET", "/api/alerts", "GET", "/v1/alerts", ""},
    {"GET", "/api/event-list", "GET", "/v1/events", ""},
    {"POST", "/api/logs", "POST", "/v1/logs", "logs"},
    {"POST", "/api/eval", "POST", "/v1/eval", "eval"},
    {"POST", "/api/respawn", "POST", "/v1/respawn", "respawn"},
    {"POST", "/api/silence", "POST", "/v1/silence", "silence"},
    {"POST", "/api/unsilence", "DELETE", "/v1/silence", "silence"},
};

}  // namespace

control::Reply Dashboard::refused(unsigned status, std::string_view sentence) {
  return {status, json::serialize(boost::json::object{{"error", sentence}})};
}

control::Reply Dashboard::too_much() {
  return refused(503, "the page is asked for too much at once; try again");
}

/// What the page shows of GET /v1/shard: what `smaster shard` prints, without graphs. Not its key.
control::Answer Dashboard::shard_answer(const std::string& body) {
  const auto value = json::parse(body);
  if (!value || !value->is_object()) return refused(500, "the shard's row is not understood");
  const auto& row = value->get_object();
  const auto now = to_unix_ms(net::wall_clock());
  return control::Reply{
      200, json::serialize(boost::json::object{{"name", row.at("id")},
                                               {"text", control::shard_page(row, {}, {.width = 0}, now)}})};
}

/// Passes a request to the control API, if the settings allow it.
net::Task<control::Answer> Dashboard::pass(control::Call call, net::Address peer, Grant grant) {
  const auto* const passed = std::find_if(std::begin(kPassed), std::end(kPassed), [&call](const auto& each) {
    return each.method == call.method && each.path == call.path;
  });
  if (passed == std::end(kPassed)) co_return refused(404, "there is no such thing");
  const auto& allow = parts_.settings.dashboard.allow;
  if (!passed->permission.empty() &&
      std::find(allow.begin(), allow.end(), passed->permission) == allow.end()) {
    co_return refused(403, "[dashboard] allow has no \"" + std::string(passed->permission) + '"');
  }
  call.by = "dashboard session (" + attempt_key(call, peer) + ')';
  if (call.method == "POST") spdlog::info("{} asked for by a {}", call.path.substr(5), call.by);
  call.method = passed->to_method;
  call.path = passed->to;
  std::shared_ptr<void> place;
  if (passed->to == "/v1/events") {
    // Whoever sees the page may ask for these, and each question is one to the store.
    place = parts_.page_answers.take("");
    if (!place) co_return too_much();
    call.query.erase("follow");  // the page's stream has them
    call.query.erase("limit");
    call.query.emplace("limit", kMostEvents);
  }
  auto answer = co_await commands_(std::move(call));
  if (const auto* const lines = std::get_if<std::shared_ptr<control::LineStream>>(&answer)) {
    tasks_.spawn("end an answer with its session", end_with(std::move(grant), *lines, std::move(place)));
  } else if (const auto* const reply = std::get_if<control::Reply>(&answer);
             reply != nullptr && passed->to == "/v1/shard" && reply->status == 200) {
    co_return shard_answer(reply->body);
  }
  co_return answer;
}

/// Disconnects the reader of an answer in lines, such as a bot's output, when `grant` ends. Keeps `place` as
/// long.
net::Task<> Dashboard::end_with(Grant grant, std::weak_ptr<control::LineStream> weak, std::shared_ptr<void>) {
  net::Timer pause(parts_.context.get_executor());
  while (!weak.expired() && acceptor_.is_open()) {
    boost::system::error_code ignored;
    pause.expires_after(kRefresh);
    co_await pause.async_wait(net::asio::redirect_error(net::use_task, ignored));
    co_await read_password();
    if (holds(grant)) continue;
    if (const auto lines = weak.lock()) lines->cut_off();
    co_return;
  }
}

}  // namespace smaster::server
