#include "log/log.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "base/outlet.hpp"
#include "json/json.hpp"

namespace smaster::log {
namespace {

/// The fields of this thread's current line, as JSON. Passed to the formatter separately from the text, which
/// may contain anything.
thread_local std::string_view line_fields;
constexpr std::uint64_t kMostOfAKind = 100;  ///< lines per kind and interval
constexpr std::chrono::seconds kWhile{10};

struct Kind {
  Instant since{};
  std::uint64_t lines = 0;
  std::uint64_t held_back = 0;
};

/// The lines written so far, by kind. Only for the thread of the event loop.
std::map<std::string, Kind, std::less<>>& kinds() {
  static std::map<std::string, Kind, std::less<>> all;
  return all;
}

std::string_view text_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto text = outlet::log(text_of(message));
    auto line = message;
    line.payload = text;
    pattern_.format(line, out);
    message.color_range_start = line.color_range_start;
    message.color_range_end = line.color_range_end;
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>();
  }

 private:
  spdlog::pattern_formatter pattern_{"%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v"};
};

/// Prefixes each line with a priority in angle brackets, see sd-daemon(3).
class JournalFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const char priority = message.level >= spdlog::level::err    ? '3'
                          : message.level == spdlog::level::warn ? '4'
                          : message.level == spdlog::level::info ? '6'
                                                                 : '7';
    fmt::format_to(std::back_inserter(out), "<{}>{}\n", priority, outlet::log(text_of(message)));
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JournalFormatter>();
  }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto ms = std::chrono::duration_cast<Millis>(message.time.time_since_epoch()).count();
    const std::time_t seconds = ms / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char time[32];
    std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
    const auto level = spdlog::level::to_string_view(message.level);
    fmt::format_to(std::back_inserter(out), R"({{"time":"{}.{:03}Z","level":"{}","message":{}{}}})", time,
                   ms % 1000, std::string_view(level.data(), level.size()),
                   outlet::json(json::quote(text_of(message))), line_fields);
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

/// True if stderr is connected to the journal: systemd.exec(5), $JOURNAL_STREAM.
bool leads_to_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): at the start
  struct stat info {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &info) == 0 &&
         stream == std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

std::string fields(const About& about) {
  std::string json = R"(,"event":)" + json::quote(about.event);
  if (!about.shard.empty()) json += R"(,"shard":)" + json::quote(about.shard);
  if (about.id && about.id->bound()) json += R"(,"id":)" + std::to_string(about.id->value);
  if (!about.address.empty()) json += R"(,"address":)" + json::quote(about.address);
  return json;
}

void say_held_back(const std::string& event, const Kind& kind) {
  if (kind.held_back == 0) return;
  spdlog::warn("{} more lines like the last of \"{}\" within {} s were held back", kind.held_back, event,
               kWhile.count());
}

}  // namespace

std::optional<Format> parse_format(std::string_view text) {
  if (text == "text") return Format::text;
  if (text == "json") return Format::json;
  return std::nullopt;
}

std::string_view to_string(Format format) { return format == Format::json ? "json" : "text"; }

std::optional<spdlog::level::level_enum> parse_level(std::string_view text) {
  for (const std::string_view known : {"debug", "info", "warn", "error"}) {
    if (text == known) return spdlog::level::from_str(std::string(text));
  }
  return std::nullopt;
}

std::string level() {
  const auto level = spdlog::get_level();
  if (level == spdlog::level::warn) return "warn";
  const auto text = spdlog::level::to_string_view(level);
  return {text.data(), text.size()};
}

void set_up(Format format, spdlog::level::level_enum level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("smaster", std::move(sink));
  if (format == Format::json) {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else if (leads_to_journal()) {
    logger->set_formatter(std::make_unique<JournalFormatter>());
  } else {
    logger->set_formatter(std::make_unique<TextFormatter>());
  }
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(level);
}

void shard(spdlog::level::level_enum level, const About& about, std::string_view text) {
  if (!spdlog::should_log(level)) return;
  const auto now = std::chrono::steady_clock::now();
  auto found = kinds().find(about.event);
  if (found == kinds().end()) found = kinds().emplace(about.event, Kind{now}).first;
  auto& kind = found->second;
  if (now - kind.since >= kWhile) {
    say_held_back(found->first, kind);
    kind = {now};
  }
  if (++kind.lines > kMostOfAKind) {
    ++kind.held_back;
    return;
  }
  const auto json = outlet::json(fields(about));
  line_fields = json;
  spdlog::log(level, "{}", text);
  line_fields = {};
}

void say_held_back(Instant now) {
  for (auto& [event, kind] : kinds()) {
    if (now - kind.since < kWhile) continue;
    say_held_back(event, kind);
    kind = {now};
  }
}

}  // namespace smaster::log
