// smaster logs: what the bots print, of all hosts, in order of time.
#include <regex.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ctime>
#include <map>
#include <memory>

#include "base/outlet.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

constexpr std::int64_t kUsualLines = 10;
/// Maximum size of the lines that wait to be sorted, in bytes: beyond it they are printed as they are.
constexpr std::size_t kMostWaiting = 256u << 20;

struct Line {
  std::int64_t time = 0;
  std::int64_t stream = 0;
  std::string text;
};

/// The process that has printed a line.
struct Source {
  std::string shards;  ///< "4,5"
  std::int64_t shard = -1;
  std::string name;
  std::string host;
};

std::string_view stream_name(std::int64_t stream) {
  return stream == 1 ? "out" : stream == 2 ? "err" : "note";
}

/// The time of day, on this machine; of another day also the date.
std::string clock_time(std::int64_t ms) {
  const auto time = static_cast<std::time_t>(ms / 1000);
  const auto now = std::time(nullptr);
  std::tm parts{};
  std::tm today{};
  ::localtime_r(&time, &parts);
  ::localtime_r(&now, &today);
  const bool same = parts.tm_year == today.tm_year && parts.tm_yday == today.tm_yday;
  char text[64];
  const auto size = std::strftime(text, sizeof text, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &parts);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03d", static_cast<int>(ms % 1000));
  return std::string(text, size) + millis;
}

/// Without the sequences that colour text (ECMA-48 SGR), which a terminal is not sent and a reader cannot
/// read.
std::string without_colours(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const auto begin = std::min(text.find("\x1b["), text.size());
    plain += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) break;
    const auto end = text.find_first_not_of("0123456789;:", 2);
    if (end != std::string_view::npos && text[end] == 'm') {
      text.remove_prefix(end + 1);
    } else {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

/// An extended regular expression (regex(7)). Not std::regex, which recurses once for each character.
class Pattern {
 public:
  /// The reason why it cannot be used; empty: it can.
  [[nodiscard]] std::string compile(const std::string& text) {
    auto fresh = std::make_unique<regex_t>();
    if (const int error = ::regcomp(fresh.get(), text.c_str(), REG_EXTENDED | REG_NOSUB); error != 0) {
      char words[256];
      ::regerror(error, fresh.get(), words, sizeof words);
      return words;
    }
    regex_.reset(fresh.release());  // only what was compiled may be freed by regfree
    return {};
  }
  [[nodiscard]] bool matches(const std::string& text) const {
    return regex_ == nullptr || ::regexec(regex_.get(), text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  struct Free {
    void operator()(regex_t* regex) const {
      ::regfree(regex);
      delete regex;
    }
  };
  std::unique_ptr<regex_t, Free> regex_;
};

struct Options {
  std::int64_t lines = -1;  ///< of each bot, at first; −1: all
  bool follow = false;
  bool as_json = false;
  Pattern pattern;
};

/// Sorts lines by time and prints them.
class Printer {
 public:
  explicit Printer(const Options& options) : options_(options), look_(tools::look()) {}

  /// A line of the server. Returns false at the end.
  bool take(std::string_view text) {
    const auto value = json::parse(text);
    if (!value || !value->is_object()) return true;
    const auto& object = value->get_object();
    if (object.contains("tick")) {
      print_arrived();
    } else if (const auto* const end = json::object_at(object, "end")) {
      print_first();
      for (const auto& [why, names] : wrong_) tools::say("smaster logs: " + names + ": " + why);
      failed = !wrong_.empty();
      json::read(*end, "answered", answered);
      ended = true;
      return options_.follow;
    } else if (object.contains("error")) {
      note_error(object);
    } else if (object.contains("dropped")) {
      std::int64_t dropped = 0;
      json::read(object, "dropped", dropped);
      tools::say("smaster logs: (" + std::to_string(dropped) + " lines dropped: this reader is too slow)");
    } else {
      take_lines(object);
    }
    return true;
  }
  /// Prints what still waits.
  void finish() {
    print_arrived();
    print_arrived();
  }

  bool ended = false;   ///< the first answers are complete
  bool failed = false;  ///< a shard is missing or has failed
  std::int64_t answered = 0;

 private:
  struct Waiting {
    Line line;
    std::shared_ptr<const Source> source;
  };

  void note_error(const bj::object& object) {
    std::string why;
    std::string name = "no shard";
    std::int64_t shard = -1;
    json::read(object, "error", why);
    json::read(object, "name", name);
    json::read(object, "shard", shard);
    auto& names = wrong_[why];
    constexpr std::size_t kLong = 200;
    if (names.size() < kLong) {
      names += (names.empty() ? "" : ", ") + std::to_string(shard) + " (" + name + ')';
    } else if (!names.ends_with("…")) {
      names += ", …";
    }
  }

  void take_lines(const bj::object& object) {
    auto source = std::make_shared<Source>();
    json::read(object, "shard", source->shard);
    json::read(object, "name", source->name);
    json::read(object, "host", source->host);
    source->shards = std::to_string(source->shard);
    if (const auto* const ids = object.if_contains("shards"); ids != nullptr && ids->is_array()) {
      source->shards.clear();
      for (const auto& id : ids->get_array())
        source->shards += (source->shards.empty() ? "" : ",") + json::serialize(id);
    }
    const auto* const lines = object.if_contains("lines");
    if (lines == nullptr || !lines->is_array()) return;
    std::vector<Waiting> chosen;
    for (const auto& each : lines->get_array()) {
      const auto* const parts = each.if_array();
      if (parts == nullptr || parts->size() != 3 || !(*parts)[0].is_int64() || !(*parts)[1].is_int64() ||
          !(*parts)[2].is_string())
        continue;
      Line line{(*parts)[0].get_int64(), (*parts)[1].get_int64(), std::string((*parts)[2].get_string())};
      if (options_.pattern.matches(line.text)) chosen.push_back({std::move(line), source});
    }
    // The newest of those that match; the agents know no patterns.
    auto first = chosen.begin();
    if (!ended && options_.lines >= 0 && static_cast<std::int64_t>(chosen.size()) > options_.lines) {
      first = chosen.end() - static_cast<std::ptrdiff_t>(options_.lines);
    }
    for (auto at = first; at != chosen.end(); ++at) {
      bytes_ += at->line.text.size();
      arrived_.push_back(std::move(*at));
    }
    if (bytes_ > kMostWaiting) finish();
  }

  static void sort(std::vector<Waiting>& lines) {
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Waiting& a, const Waiting& b) { return a.line.time < b.line.time; });
  }

  void print_first() {
    sort(arrived_);
    for (const auto& each : std::exchange(arrived_, {})) print(each);
    bytes_ = 0;
  }

  /// Lines that are older than these may still have been on their way at the last tick, but are here now.
  void print_arrived() {
    if (!ended) return;
    // Of those that wait since the last tick, and those since then that are older.
    auto ready = std::move(ready_);
    ready_ = std::exchange(arrived_, {});
    if (ready.empty()) return;
    sort(ready);
    const auto newest = ready.back().line.time;
    std::erase_if(ready_, [&](Waiting& each) {
      if (each.line.time > newest) return false;
      ready.push_back(std::move(each));
      return true;
    });
    sort(ready);
    for (const auto& each : ready) print(each);
    bytes_ = 0;
    for (const auto& each : ready_) bytes_ += each.line.text.size();
  }

  void print(const Waiting& waiting) const {
    const auto& [line, source] = waiting;
    const auto stream = stream_name(line.stream);
    if (options_.as_json) {
      return tools::print_json(json::serialize(bj::object{{"time", line.time},
                                                          {"shard", source->shard},
                                                          {"name", source->name},
                                                          {"host", source->host},
                                                          {"stream", stream},
                                                          {"line", line.text}}) +
                               '\n');
    }
    const auto head = clock_time(line.time) + " shard " + source->shards + ' ' + std::string(stream) + " | ";
    const auto text = outlet::terminal(without_colours(line.text));
    const std::string_view colour = !look_.colour      ? ""
                                    : line.stream == 2 ? "\x1b[31m"
                                    : line.stream == 1 ? ""
                                                       : "\x1b[2m";
    tools::print_styled(outlet::terminal(head) + std::string(colour) + text +
                        (colour.empty() ? "" : "\x1b[0m") + '\n');
  }

  const Options& options_;
  const control::Look look_;
  std::vector<Waiting> arrived_;  ///< since the last tick
  std::vector<Waiting> ready_;    ///< before it
  std::size_t bytes_ = 0;
  std::map<std::string, std::string> wrong_;  ///< errors, and the shards that had them
};

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("logs", "Print the bots' output of all hosts, in order of time",
                   "  smaster logs --shard 7 --follow\n  smaster logs --since 10m --grep 'Error|WARN'");
  tools::AddressFlags of;
  Options options;
  Millis since{0};
  std::string pattern;
  of.add_to(tool.app);
  tool.app.add_flag("-f,--follow", options.follow, "Go on with new lines until Ctrl-C");
  auto* const since_flag =
      tools::add_duration(tool.app, "--since", since, "Only lines of this time, such as 10m");
  since_flag->default_str("");
  auto* const lines_flag = tool.app
                               .add_option("-n,--lines", options.lines,
                                           "Only the last N of each bot; 10, or all with --since or --grep")
                               ->type_name("N")
                               ->check(CLI::Range(0, 1'000'000));
  tool.app.add_option("--grep", pattern, "Only lines that match this extended regular expression")
      ->type_name("RE");
  tool.app.add_flag("--json", options.as_json, "One JSON object a line");
  tool.add_client_flags(Millis{5'000});

  return tool.run(argc, argv, [&] {
    if (const auto wrong = pattern.empty() ? std::string() : options.pattern.compile(pattern);
        !wrong.empty()) {
      return tool.report(fail(ErrorKind::usage, "--grep takes an extended regular expression: " + wrong));
    }
    auto request = of.request();
    if (since_flag->count() > 0) request["age_ms"] = since.count();
    if (lines_flag->count() == 0 && since_flag->count() == 0 && pattern.empty()) options.lines = kUsualLines;
    // The agents know no patterns: the lines are counted here.
    if (options.lines >= 0 && pattern.empty()) request["lines"] = options.lines;
    request["follow"] = options.follow;
    request["timeout_ms"] = tool.timeout.count();
    Printer printer(options);
    // The server ends the question at its timeout; this additional time detects one that does not respond.
    constexpr Millis kGrace{5'000};
    const auto done = control::Client(tool.socket, tool.timeout + kGrace)
                          .stream("POST", "/v1/logs", json::serialize(request),
                                  [&](std::string_view line) { return printer.take(line); });
    printer.finish();
    if (!done) return tool.report(done.error());
    if (!printer.ended || options.follow)
      return tool.report(fail(ErrorKind::unavailable, "the server ended the answer too early"));
    return static_cast<int>(printer.failed ? tools::kPartly : tools::kDone);
  });
}
