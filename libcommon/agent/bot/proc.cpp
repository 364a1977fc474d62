#include "agent/bot/proc.hpp"

#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// Reads a file of /proc; empty on errors, such as when the process has ended.
std::string read_proc(const std::filesystem::path& path) {
  auto content = read_file(path);
  return content ? std::move(*content) : std::string();
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view take_word(std::string_view& text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  const auto word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

/// All processes, by parent.
std::multimap<pid_t, pid_t> all_children() {
  std::multimap<pid_t, pid_t> children;
  std::error_code ignored;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator entry("/proc", ignored); entry != end; entry.increment(ignored)) {
    const auto pid = parse_int<pid_t>(entry->path().filename().native());
    if (!pid) continue;
    const auto stat = read_proc(entry->path() / "stat");
    // The name, in parentheses, may contain any character, including parentheses.
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    auto rest = std::string_view(stat).substr(name_end + 1);
    take_word(rest);  // the state
    if (const auto parent = parse_int<pid_t>(take_word(rest))) children.emplace(*parent, *pid);
  }
  return children;
}

/// A size such as "VmRSS:   1234 kB" of /proc/<pid>/status, in bytes.
double status_size(std::string_view line) {
  take_word(line);
  return static_cast<double>(parse_int<std::int64_t>(take_word(line)).value_or(0)) * 1024;
}

/// utime, stime, cutime and cstime of proc_pid_stat(5), in seconds.
double cpu_seconds(std::string_view stat) {
  const auto end = stat.rfind(')');  // the program's name before it may contain any character
  if (end == std::string_view::npos) return 0;
  const auto fields = split(stat.substr(std::min(end + 2, stat.size())), ' ');
  constexpr std::size_t kFirst = 11;  // counted from the state
  double ticks = 0;
  for (std::size_t i = kFirst; i < kFirst + 4 && i < fields.size(); ++i) {
    ticks += static_cast<double>(parse_int<std::int64_t>(fields[i]).value_or(0));
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void add_usage(Usage& usage, pid_t pid) {
  const auto status = read_proc("/proc/" + std::to_string(pid) + "/status");
  std::string_view rest = status;
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (line.starts_with("VmRSS:")) usage.rss += status_size(line);
    if (line.starts_with("RssAnon:")) usage.anonymous += status_size(line);
    if (line.starts_with("VmData:")) usage.data += status_size(line);
  }
  usage.cpu += cpu_seconds(read_proc("/proc/" + std::to_string(pid) + "/stat"));
}

}  // namespace

std::vector<CoreTimes> parse_cores(std::string_view proc_stat, long ticks) {
  std::vector<CoreTimes> cores;
  const auto to_ms = [ticks](std::int64_t count) { return count * 1000 / ticks; };
  while (!proc_stat.empty()) {
    auto line = take_line(proc_stat);
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) continue;
    take_word(line);
    std::array<std::int64_t, 8> counts{};  // user nice system idle iowait irq softirq steal
    for (auto& count : counts) count = to_ms(parse_int<std::int64_t>(take_word(line)).value_or(0));
    CoreTimes core{counts[0], counts[1], counts[2], counts[3], counts[5], 0};
    for (const auto count : counts) core.total += count;
    core.total -= counts[4];  // iowait is neither busy nor idle
    cores.push_back(core);
  }
  return cores;
}

std::vector<double> core_loads(const std::vector<CoreTimes>& before, const std::vector<CoreTimes>& after) {
  std::vector<double> loads(after.size(), 0.0);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto old = i < before.size() ? before[i] : CoreTimes{};
    const auto total = static_cast<double>(after[i].total - old.total);
    const auto idle = static_cast<double>(after[i].idle - old.idle);
    if (total > 0) loads[i] = std::clamp(1 - idle / total, 0.0, 1.0);
  }
  return loads;
}

Cores::Cores() {
  const auto text = read_proc("/proc/cpuinfo");
  std::string_view rest = text;
  std::string model = "unknown";
  std::int64_t speed = 0;
  const auto value = [](std::string_view line) { return trim(line.substr(line.find(':') + 1)); };
  const auto add = [&] {
    heads_.push_back(R"({"model":)" + json::quote(model) + R"(,"speed":)" + std::to_string(speed));
  };
  bool in_core = false;
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (line.starts_with("processor")) {
      if (in_core) add();
      in_core = true;
    } else if (line.starts_with("model name")) {
      model = value(line);
    } else if (line.starts_with("cpu MHz")) {
      speed = parse_int<std::int64_t>(value(line).substr(0, value(line).find('.'))).value_or(0);
    }
  }
  if (in_core) add();
}

void Cores::read() {
  auto times = parse_cores(read_proc("/proc/stat"), ::sysconf(_SC_CLK_TCK));
  loads_ = core_loads(times_, times);
  times_ = std::move(times);
}

std::string Cores::json() const {
  std::string text = "[";
  for (std::size_t i = 0; i < times_.size(); ++i) {
    if (i > 0) text += ',';
    const auto& core = times_[i];
    text += i < heads_.size() ? heads_[i] : R"({"model":"unknown","speed":0)";
    text += R"(,"times":{"user":)" + std::to_string(core.user) + R"(,"nice":)" + std::to_string(core.nice) +
            R"(,"sys":)" + std::to_string(core.sys) + R"(,"idle":)" + std::to_string(core.idle) +
            R"(,"irq":)" + std::to_string(core.irq) + "}}";
  }
  return text + ']';
}

Usage ProcessTree::descendants_usage(pid_t root, Instant now) {
  constexpr std::chrono::seconds kGoodFor{5};
  Usage usage;
  const bool unknown = !children_.contains(root);  // started since the last scan
  if (unknown || now >= read_at_ + kGoodFor) {
    children_ = all_children();
    read_at_ = now;
  }
  std::vector<pid_t> pending{root};
  while (!pending.empty()) {
    const auto [first, last] = children_.equal_range(pending.back());
    pending.pop_back();
    for (auto at = first; at != last; ++at) {
      add_usage(usage, at->second);
      pending.push_back(at->second);
    }
  }
  return usage;
}

double process_rss(pid_t pid) {
  Usage usage;
  if (pid > 0) add_usage(usage, pid);
  return usage.rss;
}

bool exiting(pid_t pid) {
  // PF_EXITING in the kernel's task flags; set before descriptors are closed
  constexpr unsigned kExiting = 0x4;
  const auto stat = read_proc("/proc/" + std::to_string(pid) + "/stat");
  const auto end = stat.rfind(')');  // the program's name before it may contain any character
  if (end == std::string::npos) return true;
  const auto fields = split(std::string_view(stat).substr(std::min(end + 2, stat.size())), ' ');
  // state, parent, group, session, terminal, its group, flags
  if (fields.size() < 7 || fields[0] == "Z" || fields[0] == "X") return true;
  return (parse_int<unsigned>(fields[6]).value_or(0) & kExiting) != 0;
}

Confinement parse_confinement(std::string_view text) {
  Confinement found;
  while (!text.empty()) {
    auto line = take_line(text);
    const auto name = take_word(line);
    if (name == "Uid:") {
      (void)take_word(line);  // the real one; the effective one follows
      found.uid = parse_int<std::int64_t>(take_word(line)).value_or(-1);
    } else if (name == "NoNewPrivs:") {
      found.confined = found.confined || take_word(line) == "1";
    } else if (name == "Seccomp:") {
      found.confined = found.confined || take_word(line) == "2";
    }
  }
  return found;
}

Confinement own_confinement() { return parse_confinement(read_proc("/proc/self/status")); }

std::vector<pid_t> children_of(pid_t parent) {
  const auto children = all_children();
  std::vector<pid_t> own;
  const auto [first, last] = children.equal_range(parent);
  for (auto at = first; at != last; ++at) own.push_back(at->second);
  return own;
}

Storage measure_storage(const std::filesystem::path& folder) {
  Storage storage;
  const auto users = (folder / "save" / "users" / "").string();
  auto root = folder.string();
  char* const roots[] = {root.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      ::fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), &::fts_close);
  if (!walk) return storage;
  while (const auto* const entry = ::fts_read(walk.get())) {
    if (entry->fts_info != FTS_F) continue;
    const auto size = static_cast<double>(entry->fts_statp->st_size);
    storage.total += size;
    if (std::string_view(entry->fts_path).starts_with(users)) storage.users += size;
  }
  return storage;
}

}  // namespace smaster::agent
