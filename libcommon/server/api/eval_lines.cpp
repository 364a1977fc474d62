#include "server/api/eval_lines.hpp"

#include <boost/json/array.hpp>
#include <utility>

#include "json/json.hpp"
#include "server/api/request.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

std::string eval_line(const EvalAnswer& answer) {
  const auto inlined = socketio::inline_attachments(answer.json, answer.attachments);
  const auto json = inlined ? *inlined : json::quote(inlined.error().message);
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

void eval_to_lines(Evals& evals, const std::shared_ptr<control::LineStream>& lines, Question question,
                   const std::vector<ShardId>& ids, Millis timeout,
                   std::function<void(const std::string& outcome)> on_end) {
  struct Counts {
    std::int64_t answered = 0, failed = 0;
    bj::array missing;

    [[nodiscard]] std::string words() const {
      return std::to_string(answered) + " answered, " + std::to_string(failed) + " failed, " +
             std::to_string(missing.size()) + " missing";
    }

    void add(const EvalAnswer& answer) {
      if (answer.kind == EvalAnswer::Kind::result) ++answered;
      if (answer.kind == EvalAnswer::Kind::error) ++failed;
      if (answer.kind != EvalAnswer::Kind::missing) return;
      for (const auto id : answer.shards) missing.push_back(id.value);
    }
  };
  auto counts = std::make_shared<Counts>();
  const auto eval = Eval::start(
      evals, std::move(question), ids, timeout,
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
      [lines, counts, on_end] {
        if (on_end) on_end(counts->words());
        lines->push(json::serialize(bj::object{{"end",
                                                {{"answered", counts->answered},
                                                 {"failed", counts->failed},
                                                 {"missing", std::move(counts->missing)}}}}));
        lines->finish();
      });
  lines->on_gone = [eval, counts, on_end] {
    if (on_end) on_end(counts->words() + " when the asker left");
    eval->cancel();
  };
}

}  // namespace smaster::server
