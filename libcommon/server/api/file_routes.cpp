#include "server/api/routes.hpp"

#include <boost/json/object.hpp>
#include <utility>

#include "json/json.hpp"
#include "server/api/addressed.hpp"
#include "server/api/request.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;
using control::LineStream;

net::Task<Result<std::string>> read_piece(net::asio::thread_pool& pool, std::shared_ptr<files::OpenFile> file,
                                          std::shared_ptr<std::size_t> offset) {
  constexpr std::size_t kPiece = 256 * 1024;
  auto piece = co_await net::run_in(pool, [&file, &offset] { return file->read(*offset, kPiece); });
  if (piece) *offset += piece->size();
  co_return piece;
}

/// The parameter `name` of the query. Errors: usage.
Result<std::string> file_name(const Call& call) {
  const auto at = call.query.find("name");
  if (at == call.query.end()) return fail(ErrorKind::usage, "\"name\" is missing in the query");
  return at->second;
}

/// Calls `act` for each selected shard, one after another, and writes a line with each outcome.
net::Task<> with_each(Files& files, std::shared_ptr<LineStream> lines, std::vector<RespawnTarget> targets,
                      std::string name, net::Task<Result<void>> (Files::*act)(ShardName, std::string)) {
  for (const auto& target : targets) {
    if (!co_await lines->room()) co_return;
    bj::object line{{"shard", target.id.value}, {"name", name_value(target.name)}};
    Result<void> done = fail(ErrorKind::not_found, "no shard has this id");
    if (target.name) done = co_await (files.*act)(*target.name, name);
    if (!done) line["error"] = done.error().message;
    lines->push(json::serialize(line));
  }
  lines->finish();
}

net::Task<Answer> for_shards(ControlContext context, Call call,
                             net::Task<Result<void>> (Files::*act)(ShardName, std::string),
                             const char* what) {
  const auto body = selecting_body(call, {"name"});
  if (!body) co_return control::error_reply(body.error());
  std::string name;
  json::read(*body, "name", name);
  const auto ids = co_await addressed(context.parts.stats, *body);
  if (!ids) co_return control::error_reply(ids.error());
  Slice slice(context.parts.slices, kForOperators);
  co_await slice.next();
  auto targets = co_await respawn_targets(context.parts.directory, slice, *ids);
  audit(context, call.by, fleet::EventKind::file,
        what + name + ", " + std::to_string(targets.size()) + " shards");
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  context.parts.tasks.spawn("a file for or of shards",
                            with_each(context.parts.files, lines, std::move(targets), name, act),
                            [lines] { lines->finish(); });
  co_return lines;
}

}  // namespace

net::Task<Answer> get_file(ControlContext context, Call call) {
  auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  auto file = co_await context.parts.files.open(std::move(*name));
  if (!file) co_return control::error_reply(file.error());
  auto& pool = context.parts.files.thread();
  co_return control::Bytes{[&pool, file = *file, offset = std::make_shared<std::size_t>(0)] {
    return read_piece(pool, file, offset);
  }};
}

net::Task<Answer> put_file(ControlContext context, Call call) {
  auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  audit(context, call.by, fleet::EventKind::file, "writing " + *name);
  auto writer = co_await context.parts.files.create(std::move(*name));
  if (!writer) co_return control::error_reply(writer.error());
  auto& pool = context.parts.files.thread();
  while (true) {
    auto piece = co_await call.next_piece();
    if (!piece) co_return control::error_reply(piece.error());
    const bool last = piece->empty();
    const auto written = co_await net::run_in(pool, [&writer, &piece, last] {
      return last ? (*writer)->commit(std::nullopt) : (*writer)->append(*piece);
    });
    if (!written) co_return control::error_reply(written.error());
    if (last) co_return json_reply(bj::object{{"written", true}});
  }
}

net::Task<Answer> delete_file(ControlContext context, Call call) {
  const auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  wire::FileEvent event{{*name, std::nullopt}, wire::FileEvent::What::remove, {}};
  std::string who;
  const auto removed = co_await context.parts.files.take(std::move(who), std::move(event));
  audit(context, call.by, fleet::EventKind::file,
        "removing " + *name + ": " + (removed ? "done" : removed.error().message));
  if (!removed) co_return control::error_reply(removed.error());
  co_return json_reply(bj::object{{"removed", true}});
}

net::Task<Answer> post_push(ControlContext context, Call call) {
  co_return co_await for_shards(std::move(context), std::move(call), &Files::push, "copying to shards: ");
}

net::Task<Answer> post_fetch(ControlContext context, Call call) {
  co_return co_await for_shards(std::move(context), std::move(call), &Files::fetch, "getting from shards: ");
}

}  // namespace smaster::server
