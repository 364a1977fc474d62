#include "records/status_text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <variant>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
namespace {

/// Maximum size of a member of a status, in bytes; longer ones are ignored. Parsing a megabyte of numbers
/// would block the event loop for too long.
constexpr std::size_t kMaxMember = 65'536;
/// Maximum number of cores in a status; further ones are dropped, so that one shard cannot fill the memory
/// with history.
constexpr std::size_t kMaxCores = 1024;

/// Figures beyond these are nobody's: a sum or a table with one of them would show nothing else.
constexpr double kMostAmount = 1e15;
constexpr double kMostLoad = 1e3;

/// The parts of a status read so far.
struct Reading {
  ShardStatus& status;
  AssignmentParts goal{};
  AssignmentParts current{};
};

using Value = std::string_view;

void read(Value value, std::string& out) {
  if (auto text = json::unquote(value)) out = std::move(*text);
}
void read(Value value, bool& out) {
  if (value == "true" || value == "false") out = value == "true";
}
void read(Value value, double& out) {
  if (const auto number = json::real(value); number && std::abs(*number) <= kMostAmount) out = *number;
}
void read_amount(Value value, double& out) {
  double amount = out;
  read(value, amount);
  if (amount >= 0) out = amount;
}
void read(Value value, Time& out) {
  if (const auto ms = json::whole(value)) out = from_unix_ms(*ms);
}
void read(Value value, std::optional<std::int64_t>& out) {
  if (const auto number = json::whole(value)) out = number;
}

std::vector<std::string_view> elements(Value value) {
  auto list = json::split_array(value);
  return list ? std::move(*list) : std::vector<std::string_view>();
}

void read_ids(Value value, AssignmentParts& parts) {
  if (!value.starts_with('[')) return;
  parts.ids.emplace();
  for (const auto element : elements(value)) {
    if (const auto id = parse_int<std::int64_t>(element)) parts.ids->push_back(*id);
  }
}

/// Reads a size; some shards send it as a string.
void read_size(Value value, double& out) {
  const auto text = value.starts_with('"') ? json::unquote(value) : std::nullopt;
  read_amount(text ? trim(*text) : value, out);
}

void read_loads(Value value, std::vector<double>& out) {
  if (!value.starts_with('[')) return;
  out.clear();
  for (const auto element : elements(value)) {
    if (out.size() == kMaxCores) break;
    if (const auto load = json::real(element)) out.push_back(*load >= 0 && *load <= kMostLoad ? *load : 0);
  }
}

/// `cpus` is kept as text: it is only shown, and by far the largest member.
void read_cpus(Value value, std::string& out) {
  if (value.starts_with('[')) out = value;
}

void read_bot(Value value, std::optional<BotReport>& out) {
  const auto report = value.starts_with('{') ? json::parse(value) : Result<boost::json::value>(nullptr);
  if (!report || !report->is_object()) return;
  if (!out) out.emplace();
  read(report->get_object(), *out);
}

struct Field {
  std::string_view name;
  void (*read)(Value value, Reading& to);
};

/// In the order that existing shards use.
constexpr Field kFields[] = {
    {"id", [](Value v, Reading& r) { read(v, r.status.id); }},
    {"isMaster", [](Value v, Reading& r) { read(v, r.status.is_master); }},
    {"startTime", [](Value v, Reading& r) { read(v, r.status.start_time); }},
    {"stopTime", [](Value v, Reading& r) { read(v, r.status.stop_time); }},
    {kGoalFields.id, [](Value v, Reading& r) { read(v, r.goal.id); }},
    {kCurrentFields.id, [](Value v, Reading& r) { read(v, r.current.id); }},
    {kGoalFields.count, [](Value v, Reading& r) { read(v, r.goal.count); }},
    {kCurrentFields.count, [](Value v, Reading& r) { read(v, r.current.count); }},
    {"timestamp", [](Value v, Reading& r) { read(v, r.status.timestamp); }},
    {"timeDelta", [](Value v, Reading& r) { read(v, r.status.time_delta); }},
    {"messageCountDelta", [](Value v, Reading& r) { read(v, r.status.message_count_delta); }},
    {"messageCountTotal", [](Value v, Reading& r) { read(v, r.status.message_count_total); }},
    {"memHeapUsed", [](Value v, Reading& r) { read_amount(v, r.status.mem_heap_used); }},
    {"memHeapTotal", [](Value v, Reading& r) { read_amount(v, r.status.mem_heap_total); }},
    {"memRSS", [](Value v, Reading& r) { read_amount(v, r.status.mem_rss); }},
    {"memExternal", [](Value v, Reading& r) { read_amount(v, r.status.mem_external); }},
    {"cpuLoad", [](Value v, Reading& r) { read_loads(v, r.status.cpu_load); }},
    {"cpus", [](Value v, Reading& r) { read_cpus(v, r.status.cpus); }},
    {"ping", [](Value v, Reading& r) { read(v, r.status.ping); }},
    {"storageUsedTotal", [](Value v, Reading& r) { read_size(v, r.status.storage_used_total); }},
    {"storageUsedUsers", [](Value v, Reading& r) { read_size(v, r.status.storage_used_users); }},
    {kGoalFields.ids, [](Value v, Reading& r) { read_ids(v, r.goal); }},
    {kCurrentFields.ids, [](Value v, Reading& r) { read_ids(v, r.current); }},
    {"bot", [](Value v, Reading& r) { read_bot(v, r.status.bot); }},
};

}  // namespace

bool read_status(std::string_view text, ShardStatus& status, std::span<const std::string_view> names) {
  text = trim(text);
  if (!text.starts_with('{')) return false;
  Reading reading{status};
  const auto* expected = std::begin(kFields);
  for (json::Members members(text, names); const auto member = members.next();) {
    // Members usually come in this order: try the next field first.
    const auto named = [&](const Field& field) { return field.name == member->name; };
    const auto* found = std::find_if(expected, std::end(kFields), named);
    if (found == std::end(kFields)) found = std::find_if(std::begin(kFields), expected, named);
    if (found == std::end(kFields) || !named(*found)) continue;
    if (member->value.size() <= kMaxMember) found->read(member->value, reading);
    expected = std::next(found);
  }
  reading.goal.apply_to(status.goal);
  reading.current.apply_to(status.current);
  return true;
}

}  // namespace smaster::fleet
