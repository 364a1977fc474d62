#include "server/api/request.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <set>
#include <utility>

#include "json/json.hpp"
#include "server/fairness/slices.hpp"
#include "server/process/core.hpp"
#include "server/requests/messages.hpp"
#include "server/requests/shard_filter.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

constexpr Millis kLongestTimeout{24 * 3'600'000};

/// The ids listed in `shards`, if it is there.
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

/// The ids of those whose row of the stats fulfils all conditions, in their order.
net::Task<Result<std::vector<ShardId>>> ids_where(Core& core, const std::vector<Condition>& conditions) {
  std::vector<ShardName> names;
  std::set<std::string> unknown;
  bool stats = false;
  for (const auto& condition : conditions) {
    unknown.insert(condition.path);
    stats = stats || condition.path.starts_with("stats");
  }
  Slice slice(core.slices, kForOperators);
  co_await slice.next();
  co_await in_slices(core.fleet.shards(), slice, [&](const auto& entry) {
    const auto row = row_json(core, entry.second, stats);
    std::erase_if(unknown, [&row](const std::string& path) { return has_field(row, path); });
    if (fulfils(row, conditions)) names.push_back(entry.first);
  });
  if (!unknown.empty()) {
    co_return fail(ErrorKind::usage, "no shard has a field \"" + *unknown.begin() +
                                         "\"; \"smaster stats --json\" shows which there are");
  }
  std::vector<ShardId> ids;
  for (const auto id : all_ids(core)) {
    if (slice.over()) co_await slice.next();
    const auto* const shard = core.fleet.holder(id);
    if (shard != nullptr && std::binary_search(names.begin(), names.end(), shard->info.id)) ids.push_back(id);
  }
  co_return ids;
}

std::string eval_line(const EvalAnswer& answer) {
  auto json = answer.json;
  if (!answer.attachments.empty()) {
    auto inlined = socketio::inline_attachments(json, answer.attachments);
    json = inlined ? std::move(*inlined) : json::quote(inlined.error().message);
  }
  // The result is spliced in as it came: it is valid JSON, and nothing of it is rounded or reordered.
  std::string shards;
  if (answer.shards.size() > 1) {
    for (const auto id : answer.shards) shards += (shards.empty() ? "" : ",") + std::to_string(id.value);
    shards = R"(,"shards":[)" + shards + ']';
  }
  return R"({"shard":)" + std::to_string(answer.shard.value) + shards +
         (answer.kind == EvalAnswer::Kind::missing ? R"(,"missing":true)" : "") + R"(,"name":)" +
         json::serialize(name_value(answer.name)) +
         (answer.kind == EvalAnswer::Kind::result ? R"(,"result":)" : R"(,"error":)") + json + '}';
}

}  // namespace

control::Reply json_reply(const bj::value& value) { return {200, json::serialize(value)}; }

control::Reply usage(std::string sentence) {
  return control::error_reply(fail(ErrorKind::usage, std::move(sentence)));
}

Result<bj::object> body_object(const control::Call& call) {
  auto value = json::parse(call.body.empty() ? "{}" : call.body);
  if (!value) return fail(ErrorKind::usage, "the body is " + value.error().message);
  if (!value->is_object()) return fail(ErrorKind::usage, "the body is not a JSON object");
  return std::move(value->get_object());
}

Result<Millis> milliseconds(const bj::object& body, std::string_view key, Millis otherwise) {
  const auto* field = body.if_contains(key);
  if (field == nullptr) return otherwise;
  if (!field->is_int64() || field->get_int64() < 0 || field->get_int64() > kLongestTimeout.count()) {
    return fail(ErrorKind::usage, "\"" + std::string(key) + "\" is not a number of milliseconds up to a day");
  }
  return Millis{field->get_int64()};
}

net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(Core& core, const bj::object& body) {
  auto ids = listed_ids(body);
  if (!ids) co_return ids;
  const auto narrow = [&ids](std::vector<ShardId> allowed) {
    if (!*ids) return void(ids->emplace(std::move(allowed)));
    std::erase_if(**ids, [&](ShardId id) { return !std::binary_search(allowed.begin(), allowed.end(), id); });
  };
  if (const auto* guild = body.if_contains("guild"); guild != nullptr) {
    const auto owner = guild->is_string()
                           ? guild_shard(std::string_view(guild->get_string()), core.fleet.goal())
                           : std::nullopt;
    if (!owner)
      co_return fail(ErrorKind::usage, "\"guild\" is not a guild id as text, or there are no shards");
    narrow({*owner});
  }
  std::vector<Condition> conditions;
  if (const auto* where = body.if_contains("where"); where != nullptr) {
    auto parsed = where->is_string() ? parse_where(std::string_view(where->get_string()))
                                     : fail(ErrorKind::usage, "is no text");
    if (!parsed) co_return fail(ErrorKind::usage, "\"where\" " + parsed.error().message);
    conditions = std::move(*parsed);
  }
  if (const auto* host = body.if_contains("host"); host != nullptr && host->is_string()) {
    conditions.push_back({"host", Condition::Compare::equal, std::string(host->get_string())});
  }
  if (!conditions.empty()) {
    auto found = co_await ids_where(core, conditions);
    if (!found) co_return found.error();
    narrow(std::move(*found));
  }
  co_return ids;
}

void eval_to_lines(Core& core, const std::shared_ptr<control::LineStream>& lines, Question question,
                   const std::vector<ShardId>& ids, Millis timeout) {
  struct Counts {
    std::int64_t answered = 0, failed = 0;
    bj::array missing;

    void add(const EvalAnswer& answer) {
      if (answer.kind == EvalAnswer::Kind::result) ++answered;
      if (answer.kind == EvalAnswer::Kind::error) ++failed;
      if (answer.kind != EvalAnswer::Kind::missing) return;
      for (const auto id : answer.shards) missing.push_back(id.value);
    }
  };
  auto counts = std::make_shared<Counts>();
  const auto eval = Eval::start(
      core, std::move(question), ids, timeout,
      [lines, counts](const EvalAnswer& answer) {
        auto line = eval_line(answer);
        const auto size = line.size();
        if (lines->offer(std::move(line))) {
          counts->add(answer);
          return;
        }
        auto lost = answer;
        lost.kind = EvalAnswer::Kind::error;
        lost.attachments.clear();
        lost.json = json::quote("the answer, of " + std::to_string(size) +
                                " bytes, was dropped: the reader of the answers is too slow");
        counts->add(lost);
        lines->push(eval_line(lost));
      },
      [lines, counts] {
        lines->push(json::serialize(bj::object{{"end",
                                                {{"answered", counts->answered},
                                                 {"failed", counts->failed},
                                                 {"missing", std::move(counts->missing)}}}}));
        lines->finish();
      });
  lines->on_gone = [eval] { eval->cancel(); };
}

bj::value name_value(const std::optional<ShardName>& name) {
  return name ? bj::value(name->str()) : bj::value(nullptr);
}

}  // namespace smaster::server
