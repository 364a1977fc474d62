#include "records/event.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
namespace {

std::string_view severity_word(Severity severity) {
  return severity == Severity::info ? "info" : severity == Severity::warn ? "warn" : "error";
}

void cut_event_text(std::string& text, std::size_t most) { text.resize(outlet::cut(text, most).size()); }

}  // namespace

const std::vector<EventTraits>& all_event_kinds() {
  using enum EventKind;
  using enum Severity;
  static const std::vector<EventTraits> kinds{
      {connected, "connected", info, false},
      {replaced, "replaced", info, false},
      {disconnected, "disconnected", info, false},
      {dead, "dead", error, false},
      {duplicate, "duplicate", warn, false},
      {second_user, "second-user", warn, false},
      {assigned, "assigned", info, false},
      {started, "started", info, false},
      {ready, "ready", info, false},
      {resumed, "resumed", info, false},
      {closed, "closed", warn, false},
      {died, "died", warn, false},
      {stopped, "stopped", info, false},
      {parked, "parked", error, false},
      {refused, "refused", error, false},
      {idle, "idle", warn, false},
      {silent, "silent", warn, false},
      {unwell, "unwell", warn, false},
      {held, "held", warn, false},
      {goal, "goal", info, false},
      {leader, "leader", warn, false},
      {settings, "settings", info, false},
      {store, "store", error, false},
      {keys, "keys", warn, false},
      {start, "start", info, false},
      {stop, "stop", info, false},
      {alert, "alert", error, false},
      {recovered, "recovered", info, false},
      {omitted, "omitted", warn, false},
      {stood, "stood", error, false},
      {eval, "eval", info, true},
      {sql, "sql", info, true},
      {file, "file", info, true},
      {respawn, "respawn", info, true},
      {reboot, "reboot", info, true},
      {reshard, "reshard", info, true},
      {registered, "registered", info, true},
      {join_refused, "join-refused", warn, true},
      {revoked, "revoked", warn, true},
      {update, "update", info, true},
      {rotation, "rotation", warn, true},
      {control, "control", info, true},
  };
  return kinds;
}

const EventTraits& traits(EventKind kind) { return all_event_kinds().at(static_cast<std::size_t>(kind)); }

std::optional<EventKind> parse_event_kind(std::string_view word) {
  for (const auto& each : all_event_kinds()) {
    if (each.word == word) return each.kind;
  }
  return std::nullopt;
}

std::uint64_t first_event_id(Time at) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(to_unix_ms(at), 0)) * 1'000;
}

void shorten(Event& event) {
  cut_event_text(event.text, kMaxEventText);
  cut_event_text(event.details, kMaxEventDetails);
  for (auto* const field : {&event.shard, &event.host, &event.by}) cut_event_text(*field, kMaxEventField);
  if (event.ids.size() > kMaxEventField) event.ids.resize(event.ids.rfind(',', kMaxEventField));
}

std::string to_text(const Event& event) {
  const auto& about = traits(event.kind);
  auto text = R"({"id":)" + std::to_string(event.id) + R"(,"at":)" + std::to_string(to_unix_ms(event.at())) +
              R"(,"kind":)" + json::quote(about.word) + R"(,"severity":)" +
              json::quote(severity_word(about.severity));
  if (about.audit) text += R"(,"audit":true)";
  if (!event.shard.empty()) text += R"(,"shard":)" + json::quote(event.shard);
  if (!event.ids.empty()) text += R"(,"ids":[)" + event.ids + ']';
  if (!event.host.empty()) text += R"(,"host":)" + json::quote(event.host);
  if (!event.by.empty()) text += R"(,"by":)" + json::quote(event.by);
  if (!event.details.empty()) text += R"(,"details":)" + json::quote(event.details);
  return text + R"(,"text":)" + json::quote(event.text) + '}';
}

std::optional<Event> parse_event(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  std::string word;
  std::int64_t id = 0;
  json::read(object, "kind", word);
  json::read(object, "id", id);
  const auto kind = parse_event_kind(word);
  if (!kind || id <= 0) return std::nullopt;
  Event event{*kind};
  event.id = static_cast<std::uint64_t>(id);
  json::read(object, "text", event.text);
  json::read(object, "details", event.details);
  json::read(object, "shard", event.shard);
  json::read(object, "host", event.host);
  json::read(object, "by", event.by);
  if (const auto* const ids = object.if_contains("ids"); ids != nullptr && ids->is_array()) {
    for (const auto& each : ids->get_array()) {
      if (!each.is_int64()) continue;
      event.ids += (event.ids.empty() ? "" : ",") + std::to_string(each.get_int64());
    }
  }
  return event;
}

bool has_id(std::string_view ids, ShardId id) {
  const auto parts = split(ids, ',');
  const auto wanted = std::to_string(id.value);
  return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

bool EventQuery::matches(const Event& event) const {
  return event.id > after && (shard.empty() || event.shard == shard) && (!id || has_id(event.ids, *id)) &&
         (kinds.empty() || std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end()) &&
         (!audit || traits(event.kind).audit);
}

}  // namespace smaster::fleet
