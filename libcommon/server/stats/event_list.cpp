#include "server/stats/event_list.hpp"

#include <utility>

namespace smaster::server {

net::Task<Result<std::vector<fleet::Event>>> read_events(const EventParts& parts, fleet::EventQuery query) {
  // Those that wait are copied first: what is written meanwhile is then found twice, rather than not at all.
  std::vector<fleet::Event> waiting;
  for (const auto& event : parts.events.unsaved()) {
    if (query.matches(event)) waiting.push_back(event);
  }
  auto events = co_await parts.store.with_history(
      [&query](store::HistoryStore& past) { return past.load_events(query); });
  if (!events) co_return events;
  for (auto& event : waiting) {
    if (events->empty() || event.id > events->back().id) events->push_back(std::move(event));
  }
  if (events->size() > query.limit) {
    events->erase(events->begin(), events->end() - static_cast<std::ptrdiff_t>(query.limit));
  }
  co_return events;
}

}  // namespace smaster::server
