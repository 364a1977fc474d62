#include "server/api/addressed.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "control/shard_filter.hpp"
#include "server/api/request.hpp"
#include "server/fairness/slices.hpp"
#include "server/requests/messages.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

/// The ids in `shards`; nullopt if the field is missing. Errors: usage.
Result<std::optional<std::vector<ShardId>>> listed_ids(const bj::object& body) {
  const auto* field = body.if_contains("shards");
  if (field == nullptr || field->is_null()) return std::optional<std::vector<ShardId>>{};
  const auto wrong = fail(ErrorKind::usage, "\"shards\" is not a list of shard ids");
  if (!field->is_array()) return wrong;
  std::vector<ShardId> ids;
  for (const auto& element : field->get_array()) {
    if (!element.is_int64() || element.get_int64() < 0 || element.get_int64() > INT32_MAX) return wrong;
    ids.push_back(ShardId{static_cast<std::int32_t>(element.get_int64())});
  }
  return std::optional(std::move(ids));
}

/// The ids of shards whose stats row fulfils all conditions, ascending. Errors: usage for a field that no
/// shard has.
net::Task<Result<std::vector<ShardId>>> ids_where(const StatsParts& parts,
                                                  const std::vector<control::Condition>& conditions) {
  std::vector<ShardName> names;
  std::set<std::string> unknown;
  bool stats = false;
  for (const auto& condition : conditions) {
    unknown.insert(condition.path);
    stats = stats || condition.path.starts_with("stats");
  }
  Slice slice(parts.slices, kForOperators);
  co_await slice.next();
  co_await in_slices(parts.directory.shards(), slice, [&](const auto& entry) {
    const auto row = row_json(parts, entry.second, stats);
    std::erase_if(unknown, [&row](const std::string& path) { return control::has_field(row, path); });
    if (control::fulfils(row, conditions)) names.push_back(entry.first);
  });
  if (!unknown.empty()) {
    co_return control::unknown_field(*unknown.begin());
  }
  std::vector<ShardId> ids;
  for (const auto id : parts.directory.all_ids()) {
    if (slice.over()) co_await slice.next();
    const auto* const shard = parts.directory.holder(id);
    if (shard != nullptr && std::binary_search(names.begin(), names.end(), shard->info.id)) ids.push_back(id);
  }
  co_return ids;
}

}  // namespace

Result<bj::object> selecting_body(const control::Call& call, std::initializer_list<std::string_view> own) {
  constexpr std::string_view kSelection[] = {"shards", "guild", "host", "where"};
  auto body = body_object(call);
  if (!body) return body;
  for (const auto& field : *body) {
    const std::string_view key = field.key();
    if (std::find(own.begin(), own.end(), key) != own.end()) continue;
    if (std::find(std::begin(kSelection), std::end(kSelection), key) != std::end(kSelection)) continue;
    std::string known;
    for (const auto each : own) known.append(each).append(", ");
    return fail(ErrorKind::usage, "there is no field \"" + std::string(key) + "\"; there are " + known +
                                      "shards, guild, host, where");
  }
  return body;
}

net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(const StatsParts& parts,
                                                                 const bj::object& body) {
  auto ids = listed_ids(body);
  if (!ids) co_return ids;
  const auto narrow = [&ids](std::vector<ShardId> allowed) {
    if (!*ids) return void(ids->emplace(std::move(allowed)));
    std::erase_if(**ids, [&](ShardId id) { return !std::binary_search(allowed.begin(), allowed.end(), id); });
  };
  if (const auto* guild = body.if_contains("guild"); guild != nullptr) {
    const auto owner = guild->is_string()
                           ? guild_shard(std::string_view(guild->get_string()), parts.directory.goal())
                           : std::nullopt;
    if (!owner)
      co_return fail(ErrorKind::usage, "\"guild\" is not a guild id as text, or there are no shards");
    narrow({*owner});
  }
  std::vector<control::Condition> conditions;
  if (const auto* where = body.if_contains("where"); where != nullptr) {
    auto parsed = where->is_string() ? control::parse_where(std::string_view(where->get_string()))
                                     : fail(ErrorKind::usage, "is no text");
    if (!parsed) co_return fail(ErrorKind::usage, "\"where\" " + parsed.error().message);
    conditions = std::move(*parsed);
  }
  if (const auto* host = body.if_contains("host"); host != nullptr) {
    if (!host->is_string()) co_return fail(ErrorKind::usage, "\"host\" is not the label of a host");
    conditions.push_back({"host", control::Condition::Compare::equal, std::string(host->get_string())});
  }
  if (!conditions.empty()) {
    auto found = co_await ids_where(parts, conditions);
    if (!found) co_return found.error();
    narrow(std::move(*found));
  }
  co_return ids;
}

}  // namespace smaster::server
