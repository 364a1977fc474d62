// smaster eval: runs a script on every shard and prints each answer as it comes.
#include <unistd.h>

#include <boost/json/object.hpp>
#include <iostream>
#include <map>

#include "base/text.hpp"
#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

enum class Format { lines, list, raw };

/// What came back, and how the tool ends because of it.
struct Outcome {
  std::multimap<std::int64_t, std::string> lines;  ///< for Format::list, in order of shard
  std::optional<bj::object> end;
  std::map<std::string, std::vector<std::string>> wrong;  ///< what went wrong, and with whom: "3 (abc)"
};

/// Which shards something went wrong with; of many, the first few, so that a whole fleet's trouble is still
/// readable.
std::string describe(const std::string& error, const std::vector<std::string>& shards) {
  constexpr std::size_t kNamed = 8;
  std::string text = shards.size() == 1 ? "shard " : "shards ";
  for (std::size_t i = 0; i < std::min(shards.size(), kNamed); ++i) text += (i > 0 ? ", " : "") + shards[i];
  if (shards.size() > kNamed) text += " and " + std::to_string(shards.size() - kNamed) + " more";
  return text + ": " + error + '\n';
}

/// An error as one line: "TypeError: sentence", or whatever it is, shortened.
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

void take_line(std::string_view line, Format format, Outcome& outcome) {
  if (line.starts_with(R"({"end":)")) {
    if (auto value = json::parse(line)) outcome.end = value->as_object().at("end").as_object();
    return;
  }
  // {"shard":N,"name":NAME,"result" or "error":VALUE}: only the head is looked at; a result of many megabytes
  // is passed on, not searched or taken apart.
  const auto head_end = line.find(',', line.find(R"(,"name":)") + 1);
  const auto tail = line.substr(head_end + 1);
  const bool failed = tail.starts_with(R"("error":)");
  const auto value = tail.substr(tail.find(':') + 1, tail.size() - tail.find(':') - 2);
  const auto head = json::parse(std::string(line.substr(0, head_end)) + '}');
  std::int64_t shard = -1;
  std::string name = "no shard";
  if (head && head->is_object()) {
    json::read(head->get_object(), "shard", shard);
    json::read(head->get_object(), "name", name);
  }
  if (failed) {
    outcome.wrong[brief(value)].push_back(std::to_string(shard) + " (" + name + ")");
  }
  switch (format) {
    case Format::lines:
      tools::print(std::string(line) + '\n');
      return;
    case Format::list:
      outcome.lines.emplace(shard, std::string(line));
      return;
    case Format::raw:
      if (!failed) tools::print(json::unquote(value).value_or(std::string(value)) + '\n');
      return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("eval", "Run a script on every shard and print each answer as it comes",
                   "  smaster eval 'this.guilds.cache.size'\n  smaster eval --shard 0-3 --raw - < script.js");
  std::string script;
  std::vector<std::string> shards;
  std::string guild;
  bool ndjson = false;
  bool as_list = false;
  bool raw = false;
  tool.app.add_option("SCRIPT", script, "The script, or - to read it from stdin")->required();
  tools::add_shard_flag(tool.app, shards);
  tool.app.add_option("--guild", guild, "Only the shard that this guild lives on")
      ->type_name("ID")
      ->excludes("--shard");
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
    bj::object request{{"script", script}, {"timeout_ms", tool.timeout.count()}};
    if (!shards.empty()) {
      const auto ids = tools::parse_ids(shards);
      request["shards"] = bj::array(ids.begin(), ids.end());
    }
    if (!guild.empty()) {
      if (!parse_int<std::uint64_t>(guild)) {
        return tool.report(fail(ErrorKind::usage, "--guild takes a guild's id, not " + guild));
      }
      request["guild"] = guild;
    }
    const auto format = raw ? Format::raw : as_list ? Format::list : Format::lines;
    Outcome outcome;
    // The server ends an eval at its timeout; beyond that it is the server that is silent.
    constexpr Millis kGrace{5'000};
    const auto done = control::Client(tool.socket, tool.timeout + kGrace)
                          .stream("POST", "/v1/eval", json::serialize(request), [&](std::string_view line) {
                            take_line(line, format, outcome);
                            return true;
                          });
    if (format == Format::list) {
      std::string list;
      for (const auto& [shard, line] : outcome.lines) list.append(list.empty() ? "[" : ",\n ").append(line);
      tools::print(list.empty() ? "[]\n" : list + "]\n");
    }
    if (!done) return tool.report(done.error());
    if (!outcome.end)
      return tool.report(fail(ErrorKind::unavailable, "the server ended the answer too early"));
    const auto answered = outcome.end->at("answered").to_number<std::int64_t>();
    if (outcome.wrong.empty() && answered > 0) return static_cast<int>(tools::kDone);
    for (const auto& [error, names] : outcome.wrong) std::cerr << describe(error, names);
    std::cerr << "smaster eval: " << answered << " answered, "
              << outcome.end->at("failed").to_number<std::int64_t>() << " failed, "
              << outcome.end->at("missing").as_array().size() << " missing\n";
    return static_cast<int>(tools::kPartly);
  });
}
