// smaster eval: runs a script on every shard, and prints each answer when it arrives.
#include <unistd.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <thread>

#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

enum class Format { lines, list, raw };

/// A line of the response, parsed only as far as needed: results may have many megabytes.
struct Line {
  explicit Line(std::string_view line);

  std::string text;
  std::int64_t shard = -1;
  std::string who;  ///< id and name: "3 (abc)"
  bool failed = false;
  bool missing = false;  ///< failed without an answer of the shard
  /// The result or the error, as JSON.
  [[nodiscard]] std::string_view value() const {
    return std::string_view(text).substr(value_at_, text.size() - value_at_ - 1);
  }

 private:
  std::size_t value_at_ = 0;
};

/// The results so far, which determine the exit code.
struct Outcome {
  std::multimap<std::int64_t, std::string> lines;         ///< for Format::list: sorted by shard
  std::map<std::string, std::vector<std::string>> wrong;  ///< errors, and the shards that had them
  std::int64_t answered = 0;
  std::int64_t failed = 0;
  std::int64_t missing = 0;
  std::string slowest;
  Millis slowest_after{0};
};

/// An error and the shards that had it; only the first few are named.
std::string describe(const std::string& error, const std::vector<std::string>& shards) {
  constexpr std::size_t kNamed = 8;
  std::string text = shards.size() == 1 ? "shard " : "shards ";
  for (std::size_t i = 0; i < std::min(shards.size(), kNamed); ++i) text += (i > 0 ? ", " : "") + shards[i];
  if (shards.size() > kNamed) text += " and " + std::to_string(shards.size() - kNamed) + " more";
  return text + ": " + error;
}

/// An error as one line: "TypeError: sentence", shortened.
std::string brief(std::string_view error) {
  const auto value = json::parse(error);
  if (value && value->is_string()) return std::string(value->get_string());
  std::string name = "Error";
  std::string message;
  if (value && value->is_object()) {
    json::read(value->get_object(), "name", name);
    json::read(value->get_object(), "message", message);
  }
  return message.empty() ? std::string(error.substr(0, 300)) : name + ": " + message;
}

/// Format: {"shard":N,…,"name":NAME,"result" or "error":VALUE}.
Line::Line(std::string_view line) : text(line) {
  const auto head_end = line.find(',', line.find(R"(,"name":)") + 1);
  failed = line.substr(head_end + 1).starts_with(R"("error":)");
  value_at_ = line.find(':', head_end + 1) + 1;
  std::string name = "no shard";
  if (const auto head = json::parse(std::string(line.substr(0, head_end)) + '}'); head && head->is_object()) {
    json::read(head->get_object(), "shard", shard);
    json::read(head->get_object(), "name", name);
    json::read(head->get_object(), "missing", missing);
  }
  who = std::to_string(shard) + " (" + name + ")";
}

void take(const Line& line, Format format, Outcome& outcome) {
  if (line.failed) outcome.wrong[brief(line.value())].push_back(line.who);
  outcome.answered += line.failed ? 0 : 1;
  outcome.failed += line.failed && !line.missing ? 1 : 0;
  outcome.missing += line.missing ? 1 : 0;
  switch (format) {
    case Format::lines:
      tools::print_json(line.text + '\n');
      return;
    case Format::list:
      outcome.lines.emplace(line.shard, line.text);
      return;
    case Format::raw:
      if (!line.failed) tools::print(json::unquote(line.value()).value_or(std::string(line.value())) + '\n');
      return;
  }
}

/// "3 answered, 1 failed, 0 missing, slowest 7 (abc) after 0.4 s".
std::string summary(const Outcome& outcome) {
  return std::to_string(outcome.answered) + " answered, " + std::to_string(outcome.failed) + " failed, " +
         std::to_string(outcome.missing) + " missing" +
         (outcome.slowest.empty()
              ? ""
              : ", slowest " + outcome.slowest + " after " + tools::seconds(outcome.slowest_after.count()));
}

/// Sends the eval, and repeats it for shards that failed.
class Asking {
 public:
  Asking(const tools::Tool& tool, bj::object request, Format format, bool fail_fast, unsigned retries)
      : tool_(tool),
        request_(std::move(request)),
        format_(format),
        fail_fast_(fail_fast),
        retries_(retries) {}

  Result<Outcome> run() {
    constexpr Millis kPause{500};
    while (true) {
      bj::array again;
      if (auto asked = ask(again); !asked) return asked.error();
      if (again.empty()) return std::move(outcome_);
      --retries_;
      request_["shards"] = std::move(again);
      for (const auto* const key : {"guild", "host", "where"}) request_.erase(key);
      std::this_thread::sleep_for(kPause);
    }
  }

 private:
  Result<void> ask(bj::array& again) {
    const auto begun = std::chrono::steady_clock::now();
    bool ended = false;
    // The server ends an eval at its timeout; this additional time detects a server that does not respond.
    constexpr Millis kGrace{5'000};
    const auto done = control::Client(tool_.socket, tool_.timeout + kGrace)
                          .stream("POST", "/v1/eval", json::serialize(request_), [&](std::string_view text) {
                            if (text.starts_with(R"({"end":)")) {
                              ended = true;
                              return true;
                            }
                            const auto line = Line(text);
                            if (line.failed && retries_ > 0) {
                              again.push_back(line.shard);
                              return true;
                            }
                            take(line, format_, outcome_);
                            // Answers arrive in order of time: this is the slowest so far.
                            if (!line.missing) {
                              outcome_.slowest = line.who;
                              outcome_.slowest_after = std::chrono::duration_cast<Millis>(
                                  std::chrono::steady_clock::now() - begun);
                            }
                            ended = line.failed && fail_fast_;
                            return !ended;
                          });
    if (!done) return done;
    if (!ended) return fail(ErrorKind::unavailable, "the server ended the answer too early");
    return {};
  }

  const tools::Tool& tool_;
  bj::object request_;
  const Format format_;
  const bool fail_fast_;
  unsigned retries_;
  Outcome outcome_;
};

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("eval", "Run a script on every shard and print each answer as it comes",
                   "  smaster eval 'this.guilds.cache.size'\n  smaster eval --shard 0-3 --raw - < script.js");
  std::string script;
  tools::AddressFlags to;
  bool fail_fast = false;
  unsigned retries = 0;
  bool ndjson = false;
  bool as_list = false;
  bool raw = false;
  tool.app.add_option("SCRIPT", script, "The script, or - to read it from stdin")->required();
  to.add_to(tool.app);
  tool.app.add_flag("--fail-fast", fail_fast, "Stop at the first that fails");
  tool.app.add_option("--retries", retries, "How often to ask those again that fail")
      ->type_name("N")
      ->check(CLI::Range(0, 1000));
  auto* const lines_flag =
      tool.app.add_flag("--ndjson", ndjson, "One JSON object a line, as each answers (the default)");
  auto* const list_flag =
      tool.app.add_flag("--json", as_list, "One JSON list, in order of shard, at the end");
  auto* const raw_flag = tool.app.add_flag("--raw", raw, "Only the results, texts without quotes");
  list_flag->excludes(lines_flag)->excludes(raw_flag);
  raw_flag->excludes(lines_flag);
  tool.add_client_flags(Millis{15'000});

  return tool.run(argc, argv, [&] {
    if (script == "-") {
      auto input = tools::read_input(script);
      if (!input) return tool.report(input.error());
      script = std::move(*input);
    }
    auto request = to.request();
    request["script"] = script;
    request["timeout_ms"] = tool.timeout.count();
    const auto format = raw ? Format::raw : as_list ? Format::list : Format::lines;
    const auto outcome = Asking(tool, std::move(request), format, fail_fast, retries).run();
    if (!outcome) return tool.report(outcome.error());
    if (format == Format::list) {
      std::string list;
      for (const auto& [shard, line] : outcome->lines) list.append(list.empty() ? "[" : ",\n ").append(line);
      tools::print_json(list.empty() ? "[]\n" : list + "]\n");
    }
    for (const auto& [error, names] : outcome->wrong) tools::say(describe(error, names));
    tools::say("smaster eval: " + summary(*outcome));
    return static_cast<int>(outcome->wrong.empty() && outcome->answered > 0 ? tools::kDone : tools::kPartly);
  });
}
