#include "server/logs/logs.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

/// An agent sends new lines for so long after each question; it is asked again long before.
constexpr Millis kFollow{45'000};
constexpr Millis kAskAgain{15'000};
constexpr Millis kLook{1'000};  ///< between two looks for shards that have connected
/// A reader whose shards are silent hears from the server so often.
constexpr Millis kStillHere{2'000};
/// Minimum and maximum of an agent's pause between two messages: the more agents, the longer.
constexpr std::int64_t kLeastEvery = 200;
constexpr std::int64_t kMostEvery = 1'000;
constexpr std::size_t kLeastBytes = 4u << 10;  ///< of one agent's first answer
constexpr std::size_t kMostBytes = 256u << 10;
constexpr std::size_t kLeastRate = 1u << 10;
constexpr std::size_t kMostMessage = 2u << 20;  ///< an agent's message that is larger is ignored
constexpr std::size_t kMostRing = 64;

std::size_t share(std::size_t all, std::size_t targets, std::size_t least) {
  return std::clamp(all / std::max<std::size_t>(targets, 1), least, kMostBytes);
}

std::string head(const std::vector<ShardId>& ids, std::string_view name) {
  std::string text = R"({"shard":)" + std::to_string(ids.empty() ? -1 : ids.front().value);
  if (ids.size() > 1) {
    std::string list;
    for (const auto id : ids) list += (list.empty() ? "" : ",") + std::to_string(id.value);
    text += R"(,"shards":[)" + list + ']';
  }
  return text + R"(,"name":)" + (name.empty() ? "null" : json::quote(name));
}

/// An agent's error as a sentence.
std::string sentence(std::string_view error) {
  std::string text;
  if (const auto value = json::parse(error); value && value->is_string()) {
    text = value->get_string();
  } else if (value && value->is_object()) {
    json::read(value->get_object(), "message", text);
  }
  if (text.find("does not support that event") != std::string::npos) {
    return "its agent is older than this server and keeps no output; update it";
  }
  return text.empty() ? "its agent answers with an error" : text;
}

}  // namespace

/// An agent's answer or event: `{ring, next, lines}`, views into its text.
struct Logs::Batch {
  std::string ring;
  std::uint64_t next = 0;
  std::string_view lines;

  [[nodiscard]] bool empty() const { return lines == "[]"; }

  /// A line of a reader's answer.
  [[nodiscard]] std::string line(const std::vector<ShardId>& ids, const Shard& shard) const {
    std::string text = head(ids, shard.info.id.str()) + R"(,"host":)" + json::quote(shard.info.host) +
                       R"(,"lines":)" + std::string(lines) + '}';
    std::replace(text.begin(), text.end(), '\n', ' ');  // JSON may have some between its values
    return text;
  }

  static std::optional<Batch> read(std::string_view text) {
    if (text.size() > kMostMessage) return std::nullopt;
    const auto members = json::split_object(text);
    if (!members) return std::nullopt;
    Batch batch;
    for (const auto& [name, value] : *members) {
      if (name == "ring") batch.ring = json::unquote(value).value_or("");
      if (name == "next") batch.next = parse_int<std::uint64_t>(value).value_or(0);
      if (name == "lines") batch.lines = value;
    }
    if (!batch.lines.starts_with('[') || batch.ring.size() > kMostRing) return std::nullopt;
    return batch;
  }
};

struct Logs::Reader {
  LogRequest request;
  std::set<ShardId> ids;
  std::shared_ptr<control::LineStream> lines;
  Instant since = net::now();
  bool begun = false;          ///< the first answers are complete
  std::set<ShardName> joined;  ///< until then: the processes that have answered
  bool news = false;           ///< lines since the last tick
  int ticks_due = 0;           ///< after the last lines
  Instant ticked{};
  std::uint64_t dropped = 0;  ///< lines that found no room
  std::int64_t answered = 0;
  std::int64_t failed = 0;
  std::string missing;

  [[nodiscard]] bool wants(const ShardName& name, const std::vector<ShardId>& of) const {
    const auto mine = [this](ShardId id) { return ids.contains(id); };
    return (begun || joined.contains(name)) && (request.all || std::any_of(of.begin(), of.end(), mine));
  }
  void add(const std::string& line, std::uint64_t count) {
    news = true;
    if (!lines->offer(line)) dropped += count;
  }
};

Result<void> Logs::read(const LogRequest& request, std::shared_ptr<control::LineStream> lines) {
  if (request.follow && followers_.size() >= kMostFollowers) {
    return fail(ErrorKind::unavailable,
                std::to_string(kMostFollowers) + " readers follow the bots' output already; end one of them");
  }
  auto reader = std::make_shared<Reader>();
  reader->request = request;
  if (!request.all) reader->ids = {request.ids.begin(), request.ids.end()};
  reader->lines = std::move(lines);
  std::string question = R"({"lines":)" + std::to_string(request.lines) + R"(,"age":)" +
                         std::to_string(request.age) + R"(,"bytes":)" +
                         std::to_string(share(kFirstBytes, request.ids.size(), kLeastBytes));
  if (request.follow) {
    followers_.push_back(reader);
    question += follow_part();
    if (!following_) parts_.tasks.spawn("follow logs", follow());
  }
  const auto eval = Eval::start(
      parts_.evals, Question{"logs", {question + '}'}, std::nullopt}, request.ids, request.timeout,
      [this, reader](const EvalAnswer& answer) { answered(*reader, answer); },
      [this, reader] { ended(reader); });
  reader->lines->on_gone = [this, eval, left = std::weak_ptr(reader)] {
    eval->cancel();
    followers_.remove(left.lock());
  };
  return {};
}

/// One agent's first answer to a reader.
void Logs::answered(Reader& reader, const EvalAnswer& answer) {
  const auto name = answer.name ? answer.name->str() : std::string();
  const auto report = [&](std::string_view why) {
    reader.lines->push(head(answer.shards, name) + R"(,"error":)" + json::quote(why) + '}');
  };
  if (answer.kind == EvalAnswer::Kind::missing) {
    for (const auto id : answer.shards) {
      reader.missing += (reader.missing.empty() ? "" : ",") + std::to_string(id.value);
    }
    return report(json::unquote(answer.json).value_or(""));
  }
  auto* const shard = answer.name ? parts_.directory.find(*answer.name) : nullptr;
  const auto batch = answer.kind == EvalAnswer::Kind::result ? Batch::read(answer.json) : std::nullopt;
  if (!batch || shard == nullptr) {
    ++reader.failed;
    return report(answer.kind == EvalAnswer::Kind::error ? sentence(answer.json)
                                                         : "its agent's answer is not understood");
  }
  if (!reader.lines->offer(batch->line(answer.shards, *shard))) {
    ++reader.failed;
    return report("its lines were dropped: the reader is too slow");
  }
  ++reader.answered;
  if (!reader.request.follow || shard->session == nullptr) return;
  auto& tail = tail_of(*shard);
  tail.shard = shard->session->ref();
  tail.ring = batch->ring;
  tail.next = batch->next;
  tail.asked = net::now();
  reader.joined.insert(*answer.name);
}

void Logs::ended(const std::shared_ptr<Reader>& reader) {
  reader->begun = true;
  reader->joined.clear();
  reader->lines->push(R"({"end":{"answered":)" + std::to_string(reader->answered) + R"(,"failed":)" +
                      std::to_string(reader->failed) + R"(,"missing":[)" + reader->missing + "]}}");
  if (!reader->request.follow) reader->lines->finish();
}

Logs::Tail& Logs::tail_of(const Shard& shard) {
  auto& tail = tails_.try_emplace(shard.info.id, Tail{{shard.info.id, 0}, {}, 0, {}, {}, {}}).first->second;
  if (shard.info.goal.bound()) tail.ids = {shard.info.goal.ids.begin(), shard.info.goal.ids.end()};
  return tail;
}

void Logs::pushed(ShardSession& session, const Shard& shard, const socketio::Arguments& arguments) {
  const auto batch = arguments.json.empty() ? std::nullopt : Batch::read(arguments.json.front());
  if (!batch) return;
  const auto found = tails_.find(shard.info.id);
  const bool wanted =
      found != tails_.end() && std::any_of(followers_.begin(), followers_.end(), [&](const auto& follower) {
        return !follower->begun || follower->wants(shard.info.id, found->second.ids);
      });
  // Nobody follows it any more: without a word from here it would go on for a while.
  if (!wanted) return session.emit("logs", {R"({"lines":0,"follow":0})"});
  pass_on(tail_of(shard), shard, *batch);
}

void Logs::pass_on(Tail& tail, const Shard& shard, const Batch& batch) {
  const auto& name = shard.info.id;
  const auto count = batch.ring == tail.ring && batch.next > tail.next ? batch.next - tail.next : 1;
  tail.ring = batch.ring;
  tail.next = batch.next;
  if (batch.empty()) return;
  const auto line = batch.line(tail.ids, shard);
  for (const auto& follower : followers_) {
    if (follower->wants(name, tail.ids)) follower->add(line, count);
  }
}

/// Runs while readers follow.
net::Task<> Logs::follow() {
  const auto busy = following_.begin();
  net::Timer pause(parts_.evals.context.get_executor());
  boost::system::error_code error;
  Instant looked = net::now();
  while (!followers_.empty() && !error) {
    for (const auto& follower : followers_) tick(*follower);
    if (net::now() >= looked + kLook) {
      looked = net::now();
      co_await renew();
    }
    pause.expires_after(every());
    co_await pause.async_wait(net::asio::redirect_error(net::use_task, error));
  }
  tails_.clear();
}

std::size_t Logs::targets() const {
  std::size_t most = 1;
  for (const auto& follower : followers_) most = std::max(most, follower->request.ids.size());
  return most;
}

Millis Logs::every() const {
  return Millis{std::clamp<std::int64_t>(static_cast<std::int64_t>(targets()), kLeastEvery, kMostEvery)};
}

/// The members of a question that make an agent send new lines, from now on.
std::string Logs::follow_part() const {
  return R"(,"follow":)" + std::to_string(kFollow.count()) + R"(,"every":)" +
         std::to_string(every().count()) + R"(,"rate":)" +
         std::to_string(share(kRate, targets(), kLeastRate));
}

/// Two ticks follow the last lines, so that a reader can wait for lines that are older and come later.
void Logs::tick(Reader& reader) {
  if (reader.dropped > 0 && reader.lines->waiting() == 0) {
    reader.news = true;
    reader.lines->push(R"({"dropped":)" + std::to_string(std::exchange(reader.dropped, 0)) + '}');
  }
  if (std::exchange(reader.news, false)) reader.ticks_due = 2;
  const auto now = net::now();
  if (reader.ticks_due == 0 && now < reader.ticked + kStillHere) return;
  reader.ticks_due = std::max(reader.ticks_due - 1, 0);
  reader.ticked = now;
  if (reader.lines->waiting() < control::LineStream::kOwnRoom) reader.lines->push(R"({"tick":1})");
}

/// Asks the agents that have connected, and again those whose time is over soon.
net::Task<> Logs::renew() {
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  const auto followers = followers_;  // some may leave, and others come, between two slices
  const auto all = std::find_if(followers.begin(), followers.end(),
                                [](const auto& follower) { return follower->request.all; });
  if (all != followers.end()) {
    (*all)->request.ids = parts_.directory.all_ids();
    co_return co_await renew(**all, slice);
  }
  for (const auto& follower : followers) co_await renew(*follower, slice);
}

net::Task<> Logs::renew(const Reader& of, Slice& slice) {
  for (const auto id : of.request.ids) {
    if (slice.over()) co_await slice.next();
    auto* const shard = parts_.directory.holder(id);
    if (shard == nullptr || !shard->connected() || !shard->session->is_agent()) continue;
    // A reader's first question to it may be on its way.
    const bool beginning = std::any_of(followers_.begin(), followers_.end(),
                                       [](const auto& follower) { return !follower->begun; });
    if (!beginning || tails_.contains(shard->info.id)) ask(*shard);
  }
}

void Logs::ask(Shard& shard) {
  auto& session = *shard.session;
  auto& tail = tail_of(shard);
  const auto now = net::now();
  const bool same = tail.shard.connection == session.ref().connection;
  if (same && now < tail.asked + kAskAgain) return;
  if (same && tail.waits) session.forget(*tail.waits);
  tail.shard = session.ref();
  tail.asked = now;
  std::string question =
      R"({"lines":-1,"bytes":)" + std::to_string(share(kFirstBytes, targets(), kLeastBytes)) + follow_part();
  if (!tail.ring.empty()) {
    question += R"(,"ring":)" + json::quote(tail.ring) + R"(,"after":)" + std::to_string(tail.next);
  }
  // Of another agent, or one that was started anew: what it has kept since the first reader began.
  auto since = now;
  for (const auto& follower : followers_) since = std::min(since, follower->since);
  question += R"(,"age":)" + std::to_string(std::chrono::duration_cast<Millis>(now - since).count()) + '}';
  tail.waits =
      session.request("logs", {question}, [this, ref = session.ref()](const socketio::Arguments* answer) {
        const auto found = tails_.find(ref.name);
        const auto* const asked = parts_.directory.find(ref.name);
        if (found == tails_.end() || asked == nullptr || found->second.shard.connection != ref.connection)
          return;
        found->second.waits.reset();
        if (answer == nullptr || answer->json.size() < 2) return;
        if (const auto batch = Batch::read(answer->json[1])) pass_on(found->second, *asked, *batch);
      });
}

}  // namespace smaster::server
