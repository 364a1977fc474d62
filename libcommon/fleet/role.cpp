#include "fleet/role.hpp"

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

Role::Role(ShardId id, ShardCount count_) : count(count_) {
  if (id.bound()) ids.push_back(id);
}

bool Role::has(ShardId id) const { return std::binary_search(ids.begin(), ids.end(), id); }

boost::json::array ids_json(const Role& role) {
  boost::json::array list;
  for (const auto id : role.ids) list.push_back(id.value);
  return list;
}

std::string ids_text(const Role& role) {
  std::string text;
  for (const auto id : role.ids) {
    if (!text.empty()) text += ',';
    text += std::to_string(id.value);
  }
  return text.empty() ? std::to_string(kNoShard.value) : text;
}

std::string to_text(const std::vector<Role>& roles) {
  std::string text;
  for (const auto& role : roles) {
    if (!text.empty()) text += ' ';
    text += ids_text(role) + '/' + std::to_string(role.count.value);
  }
  return text;
}

std::vector<Role> parse_roles(std::string_view text) {
  std::vector<Role> roles;
  for (const auto word : split(text, ' ')) {
    const auto slash = word.find('/');
    const auto count =
        slash == std::string_view::npos ? std::nullopt : parse_int<std::int32_t>(word.substr(slash + 1));
    if (!count) continue;
    Role role;
    role.count.value = *count;
    bool good = true;
    for (const auto digits : split(word.substr(0, slash), ',')) {
      const auto id = parse_int<std::int32_t>(digits);
      good = good && id;
      if (id && *id >= 0) role.ids.push_back(ShardId{*id});
    }
    put_in_order(role.ids);
    if (good) roles.push_back(std::move(role));
  }
  return roles;
}

void RoleParts::apply_to(Role& role) const {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto fits = [](std::int64_t number) { return number >= -kMost - 1 && number <= kMost; };
  if (count && fits(*count)) role.count.value = static_cast<std::int32_t>(*count);
  if (ids) {
    role.ids.clear();
    for (const auto number : *ids) {
      if (number < 0 || number > kMost || role.ids.size() == kMaxIds) continue;
      role.ids.push_back(ShardId{static_cast<std::int32_t>(number)});
    }
    put_in_order(role.ids);
    return;
  }
  const bool said = id && fits(*id);
  const auto first = said ? ShardId{static_cast<std::int32_t>(*id)} : role.first();
  if (first != role.first() || role.ids.size() > 1) role = Role(first, role.count);
}

void read(const boost::json::object& from, const RoleFields& fields, Role& role) {
  RoleParts parts;
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
  parts.apply_to(role);
}

void add_ids(const Role& role, const RoleFields& fields, boost::json::object& to) {
  if (role.ids.size() > 1) to[fields.ids] = ids_json(role);
}

}  // namespace smaster::fleet
