#include "server/events/events.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

using fleet::Event;
using fleet::EventKind;

spdlog::level::level_enum level_of(fleet::Severity severity) {
  switch (severity) {
    case fleet::Severity::info:
      return spdlog::level::info;
    case fleet::Severity::warn:
      return spdlog::level::warn;
    case fleet::Severity::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::size_t index_of(EventKind kind) { return static_cast<std::size_t>(kind); }

void log_event(const Event& event, const std::string& address) {
  const auto& about = fleet::traits(event.kind);
  const auto level = level_of(about.severity);
  const auto text = event.text + (event.details.empty() ? "" : "; " + event.details) +
                    (event.by.empty() ? "" : ", asked for by " + event.by);
  if (event.shard.empty()) return spdlog::log(level, "{}", text);
  const auto id = parse_int<std::int32_t>(std::string_view(event.ids).substr(0, event.ids.find(',')));
  log::shard(level, {about.word, event.shard, id ? std::optional(ShardId{*id}) : std::nullopt, address},
             text);
}

}  // namespace

void Events::record(Event event, const std::string& address) {
  log_event(event, address);
  ++counts_[index_of(event.kind)];
  const auto now = net::wall_clock();
  tell_omitted(now);
  if (!event.shard.empty() && too_many(event.kind, event.shard, kMostAlike)) return;
  add(std::move(event), now);
}

void Events::record_routine(EventKind kind, const std::string& shard, const std::function<Event()>& make) {
  ++counts_[index_of(kind)];
  const auto now = net::wall_clock();
  tell_omitted(now);
  if (too_many(kind, shard, kMostRoutine) || too_many(kind, "", kMostRoutineOfAll)) return;
  add(make(), now);
}

bool Events::too_many(EventKind kind, const std::string& shard, unsigned most) {
  auto& alike = alike_[std::string(fleet::traits(kind).word) + ' ' + shard];
  if (alike.recorded < most) {
    ++alike.recorded;
    return false;
  }
  ++alike.omitted;
  return true;
}

/// Begins the next interval if this one is over.
void Events::tell_omitted(Time now) {
  if (now >= interval_ && now - interval_ < kWhile) return;
  interval_ = now;
  for (const auto& [what, alike] : std::exchange(alike_, {})) {
    if (alike.omitted == 0) continue;
    const auto space = what.find(' ');
    Event event{EventKind::omitted};
    event.shard = what.substr(space + 1);
    event.text = std::to_string(alike.omitted) + " more events \"" + what.substr(0, space) + '"' +
                 (event.shard.empty() ? " of shards" : " of shard " + event.shard) + " within " +
                 format_duration(kWhile) + " are not in this list";
    add(std::move(event), now);
  }
}

void Events::add(Event event, Time now) {
  shorten(event);
  event.id = last_id_ = std::max(last_id_ + 1, fleet::first_event_id(now));
  listeners_.tell(event);
  unsaved_.push_back(std::move(event));
  if (unsaved_.size() > kMostUnsaved) unsaved_.pop_front();
}

std::vector<Event> Events::take_unsaved() {
  auto taken = std::exchange(unsaved_, {});
  return {std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end())};
}

void Events::put_back(std::vector<Event> events) {
  unsaved_.insert(unsaved_.begin(), std::make_move_iterator(events.begin()),
                  std::make_move_iterator(events.end()));
  while (unsaved_.size() > kMostUnsaved) unsaved_.pop_front();
}

}  // namespace smaster::server
