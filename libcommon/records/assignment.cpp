#include "records/assignment.hpp"

#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
namespace {

/// Maximum number of ids per process; further ids sent by a client are dropped.
constexpr std::size_t kMaxIds = 1024;

void put_in_order(std::vector<ShardId>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace

Assignment::Assignment(ShardId id, ShardCount count_) : count(count_) {
  if (id.bound()) ids.push_back(id);
}

bool Assignment::has(ShardId id) const { return std::binary_search(ids.begin(), ids.end(), id); }

boost::json::array ids_json(const Assignment& assignment) {
  boost::json::array list;
  for (const auto id : assignment.ids) list.push_back(id.value);
  return list;
}

std::string ids_text(const Assignment& assignment) {
  std::string text;
  for (const auto id : assignment.ids) {
    if (!text.empty()) text += ',';
    text += std::to_string(id.value);
  }
  return text.empty() ? std::to_string(kNoShard.value) : text;
}

std::string to_text(const std::vector<Assignment>& assignments) {
  std::string text;
  for (const auto& assignment : assignments) {
    if (!text.empty()) text += ' ';
    text += ids_text(assignment) + '/' + std::to_string(assignment.count.value);
  }
  return text;
}

std::string id_ranges(std::vector<ShardId> ids) {
  std::sort(ids.begin(), ids.end());
  std::string text;
  for (auto at = ids.begin(); at != ids.end();) {
    const auto first = *at;
    auto last = first;
    for (++at; at != ids.end() && at->value <= last.value + 1; ++at) last = *at;
    text += (text.empty() ? "" : ", ") + std::to_string(first.value);
    if (last != first) text += '-' + std::to_string(last.value);
  }
  return text;
}

std::vector<Assignment> parse_assignments(std::string_view text) {
  std::vector<Assignment> assignments;
  for (const auto word : split(text, ' ')) {
    const auto slash = word.find('/');
    const auto count =
        slash == std::string_view::npos ? std::nullopt : parse_int<std::int32_t>(word.substr(slash + 1));
    if (!count) continue;
    Assignment assignment;
    assignment.count.value = *count;
    bool good = true;
    for (const auto digits : split(word.substr(0, slash), ',')) {
      const auto id = parse_int<std::int32_t>(digits);
      good = good && id;
      if (id && *id >= 0) assignment.ids.push_back(ShardId{*id});
    }
    put_in_order(assignment.ids);
    if (good) assignments.push_back(std::move(assignment));
  }
  return assignments;
}

void AssignmentParts::apply_to(Assignment& assignment) const {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto fits = [](std::int64_t number) { return number >= -kMost - 1 && number <= kMost; };
  if (count && fits(*count)) assignment.count.value = static_cast<std::int32_t>(*count);
  if (ids) {
    assignment.ids.clear();
    for (const auto number : *ids) {
      if (number < 0 || number > kMost || assignment.ids.size() == kMaxIds) continue;
      assignment.ids.push_back(ShardId{static_cast<std::int32_t>(number)});
    }
    put_in_order(assignment.ids);
    return;
  }
  const bool said = id && fits(*id);
  const auto first = said ? ShardId{static_cast<std::int32_t>(*id)} : assignment.first();
  if (first != assignment.first() || assignment.ids.size() > 1)
    assignment = Assignment(first, assignment.count);
}

void read(const boost::json::object& from, const AssignmentFields& fields, Assignment& assignment) {
  AssignmentParts parts;
  const auto number = [&](std::string_view key, std::optional<std::int64_t>& out) {
    const auto* const field = from.if_contains(key);
    if (field != nullptr && field->is_number()) json::read(from, key, out.emplace(-1));
  };
  number(fields.id, parts.id);
  number(fields.count, parts.count);
  if (const auto* const list = from.if_contains(fields.ids); list != nullptr && list->is_array()) {
    parts.ids.emplace();
    for (const auto& element : list->get_array()) {
      if (element.is_int64()) parts.ids->push_back(element.get_int64());
    }
  }
  parts.apply_to(assignment);
}

void add_ids(const Assignment& assignment, const AssignmentFields& fields, boost::json::object& to) {
  if (assignment.ids.size() > 1) to[fields.ids] = ids_json(assignment);
}

}  // namespace smaster::fleet
