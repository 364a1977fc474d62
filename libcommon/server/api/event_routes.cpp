#include <optional>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "server/api/request.hpp"
#include "server/api/routes.hpp"
#include "server/stats/event_list.hpp"

namespace smaster::server {
namespace {

using control::Call;
using control::LineStream;

constexpr std::size_t kMostEvents = 100'000;

Result<fleet::EventQuery> event_query(const Call& call) {
  fleet::EventQuery query;
  for (const auto& [key, value] : call.query) {
    if (key == "since") {
      const auto ms = parse_int<std::int64_t>(value);
      if (!ms) return fail(ErrorKind::usage, "\"since\" is not a time in unix milliseconds");
      const auto first = fleet::first_event_id(from_unix_ms(*ms));
      query.after = first - std::min<std::uint64_t>(first, 1);
    } else if (key == "name") {
      query.shard = value;
    } else if (key == "id") {
      const auto id = parse_int<std::int32_t>(value);
      if (!id || *id < 0) return fail(ErrorKind::usage, "\"id\" is not a shard id");
      query.id = ShardId{*id};
    } else if (key == "kind") {
      const auto kind = fleet::parse_event_kind(value);
      if (!kind) return fail(ErrorKind::usage, "no event is called \"" + value + '"');
      query.kinds.push_back(*kind);
    } else if (key == "audit") {
      query.audit = value == "1";
    } else if (key == "limit") {
      const auto limit = parse_int<std::size_t>(value);
      if (!limit || *limit > kMostEvents) {
        return fail(ErrorKind::usage, "\"limit\" is from 0 to " + std::to_string(kMostEvents));
      }
      query.limit = *limit;
    }
  }
  return query;
}

/// Who follows the list, and what came while the past was being read.
struct Following {
  std::optional<Events::Subscription> subscription;
  std::vector<fleet::Event> early;
  bool reading = true;
  std::size_t dropped = 0;
};

std::string stream_line(const LineStream& lines, const std::string& text) {
  const bool sse = std::string_view(lines.type) == "text/event-stream";
  return sse ? "data: " + text + '\n' : text;
}

/// A reader that is too slow is told how many events it has missed.
void offer_event(LineStream& lines, Following& following, const fleet::Event& event) {
  if (following.dropped > 0) {
    fleet::Event gap{fleet::EventKind::omitted, std::to_string(following.dropped) +
                                                    " events were left out here: the reader is too slow"};
    gap.id = event.id;
    if (!lines.offer(stream_line(lines, fleet::to_text(gap)))) {
      ++following.dropped;
      return;
    }
    following.dropped = 0;
  }
  if (!lines.offer(stream_line(lines, fleet::to_text(event)))) ++following.dropped;
}

net::Task<> send_events(const ControlParts& parts, fleet::EventQuery query,
                        std::shared_ptr<Following> following, std::shared_ptr<LineStream> lines) {
  auto events = co_await read_events(parts.event_list, query);
  if (!events) {
    lines->push(stream_line(*lines, control::error_reply(events.error()).body));
    lines->finish();
    co_return;
  }
  Slice slice(parts.slices, kForOperators);
  co_await slice.next();
  std::uint64_t last = 0;
  for (auto& event : *events) {
    if (slice.over()) {
      slice.end();
      if (!co_await lines->room()) co_return;
      co_await slice.next();
    }
    last = event.id;
    lines->push(stream_line(*lines, fleet::to_text(std::exchange(event, {}))));
  }
  slice.end();
  if (!following->subscription) {
    lines->finish();
    co_return;
  }
  following->reading = false;
  for (const auto& event : std::exchange(following->early, {})) {
    if (event.id > last) offer_event(*lines, *following, event);
  }
}

}  // namespace

/// Parameters: since (unix milliseconds), id or name, kind (repeatable), audit=1, limit, follow=1. Answer:
/// events in lines, oldest first; as server-sent events if the client accepts those.
control::Answer get_events(ControlContext& context, const Call& call) {
  const auto query = event_query(call);
  if (!query) return control::error_reply(query.error());
  const bool sse = call.headers["Accept"].find("text/event-stream") != std::string_view::npos;
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor(),
                                            sse ? "text/event-stream" : "application/x-ndjson");
  const auto following = std::make_shared<Following>();
  if (const auto follow = call.query.find("follow"); follow != call.query.end() && follow->second == "1") {
    // `lines` owns `following`, and that the subscription.
    following->subscription.emplace(context.parts.event_list.events.follow(
        [query = *query, &self = *following, weak = std::weak_ptr(lines)](const fleet::Event& event) {
          const auto to = weak.lock();
          if (!to || !query.matches(event)) return;
          if (!self.reading) return offer_event(*to, self, event);
          if (self.early.size() < kMostEvents) self.early.push_back(event);
        }));
    lines->on_gone = [following] { following->subscription.reset(); };
  }
  context.parts.tasks.spawn("events", send_events(context.parts, *query, following, lines),
                            [lines] { lines->finish(); });
  return lines;
}

void audit(const ControlContext& context, const std::string& by, fleet::EventKind kind, std::string text) {
  context.parts.event_list.events.record({.kind = kind, .text = std::move(text), .by = by});
}

}  // namespace smaster::server
