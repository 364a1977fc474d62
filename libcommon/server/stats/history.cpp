#include "server/stats/history.hpp"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "json/json.hpp"
#include "server/fairness/slices.hpp"

namespace smaster::server {
namespace {

std::string member_text(const ShardName& name, const std::vector<fleet::Sample>& samples, Time since) {
  std::string text = json::quote(name.str()) + ":[";
  bool first = true;
  for (const auto& sample : samples) {
    if (sample.status.timestamp <= since) continue;  // received later than `since`, made before
    auto row = fleet::to_json(sample.status);
    row["id"] = name.str();
    if (sample.gateway) row["gateway"] = to_json(*sample.gateway);
    text.append(std::exchange(first, false) ? "" : ",").append(json::serialize(row));
  }
  return text + ']';
}

}  // namespace

net::Task<Result<std::string>> history_member(const HistoryParts& parts, ShardName name, Time since,
                                              std::string who) {
  auto turn = co_await parts.turns.take(who);
  if (!turn) co_return fail(ErrorKind::unavailable, "too many wait for the history");
  const auto samples = co_await parts.history.read(name, since);
  turn.give_back();
  if (!samples) co_return samples.error();
  co_return co_await net::run_in(parts.rendering, [&] { return member_text(name, *samples, since); });
}

control::Pieces history_pieces(const HistoryParts& parts, std::vector<ShardName> names, Time since) {
  struct State {
    const HistoryParts& parts;
    std::vector<ShardName> names;
    Time since;
    std::size_t next = 0;
  };
  const auto state = std::make_shared<State>(State{parts, std::move(names), since});
  return [state]() -> net::Task<Result<std::string>> {
    const auto n = state->next++;
    if (n > state->names.size()) co_return std::string();
    if (n == state->names.size()) co_return std::string(n == 0 ? "{}" : "}");
    const auto& name = state->names[n];
    auto member = co_await history_member(state->parts, name, state->since, kForOperators);
    if (!member) {
      spdlog::error("history of shard {}: {}", name.str(), member.error().message);
      co_return member.error();
    }
    co_return (n == 0 ? "{" : ",") + *member;
  };
}

}  // namespace smaster::server
