#include "watch.hpp"

#define NCURSES_NOMACROS  // its macros would replace the functions move and timeout
#include <ncurses.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <clocale>
#include <csignal>
#include <map>
#include <set>
#include <vector>

#include "base/outlet.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "control/sparkline.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace smaster::tools {
namespace {

namespace bj = boost::json;
using control::number;

/// Maximum time shown by the sparklines.
constexpr Millis kWindow{15 * 60'000};
constexpr int kLongestLine = 24;
constexpr int kShortestLine = 4;

volatile std::sig_atomic_t asked_to_end = 0;
termios before{};

/// Signal handler: leaves the alternate screen and shows the cursor (xterm's control sequences), then lets
/// the signal end the process. Uses only async-signal-safe functions.
void die_tidily(int signal) {
  constexpr std::string_view kRestore = "\x1b[?1049l\x1b[?25h\x1b[0m";
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, kRestore.data(), kRestore.size());
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

/// The terminal while the view is active.
class Screen {
 public:
  Screen() {
    ::tcgetattr(STDIN_FILENO, &before);
    std::setlocale(LC_ALL, "");
    ::initscr();
    ::cbreak();
    ::noecho();
    ::curs_set(0);
    ::keypad(stdscr, TRUE);
    ::set_escdelay(25);
    colours_ = look().colour && ::has_colors() && ::start_color() == OK;
    if (colours_) {
      ::use_default_colors();
      for (short colour = COLOR_RED; colour <= COLOR_CYAN; ++colour) ::init_pair(colour, colour, -1);
    }
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { asked_to_end = 1; });
    for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, die_tidily);
  }
  ~Screen() { ::endwin(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// Writes one line, cut at the edge of the screen.
  void line(int row, std::string_view text, attr_t attributes = A_NORMAL) const {
    ::move(row, 0);
    ::clrtoeol();
    part(row, 0, text, attributes);
  }
  void part(int row, int column, std::string_view text, attr_t attributes = A_NORMAL) const {
    if (row >= LINES || column >= COLS) return;
    const auto cut = control::fit(outlet::terminal(text), static_cast<std::size_t>(COLS - column));
    ::wattr_on(stdscr, attributes, nullptr);
    ::mvaddstr(row, column, cut.c_str());
    ::wattr_off(stdscr, attributes, nullptr);
  }
  [[nodiscard]] attr_t state(std::string_view state) const {
    const auto sequence = control::state_colour(state);
    // "\x1b[3Nm": SGR's colour numbers equal curses' pairs.
    return colours_ && sequence.size() == 5 ? static_cast<attr_t>(COLOR_PAIR(sequence[3] - '0')) : A_NORMAL;
  }

 private:
  bool colours_ = false;
};

class View {
 public:
  View(const control::Client& client, const std::function<Result<bj::object>()>& fetch, WatchOptions options)
      : client_(client), fetch_(fetch), options_(std::move(options)) {}

  Result<void> look() {
    auto stats = fetch_();
    if (!stats) {
      trouble_ = stats.error().message;
      return stats.error();
    }
    stats_ = std::move(*stats);
    trouble_.clear();
    now_ = to_unix_ms(std::chrono::floor<Millis>(std::chrono::system_clock::now()));
    for (const auto& value : stats_.at("shards").as_array()) remember(value.as_object());
    oldest_ = static_cast<double>(now_);
    for (const auto& [name, samples] : past_) {
      if (!samples.empty()) oldest_ = std::min(oldest_, samples.front().time);
    }
    return {};
  }

  void draw(const Screen& screen) {
    choose();
    screen.line(0, control::totals_line(stats_));
    const auto troubles = control::server_troubles(stats_);
    const auto waiting = control::identify_line(stats_);
    const auto drained = control::drained_line(stats_);
    screen.line(1,
                troubles.empty() ? waiting + (waiting.empty() || drained.empty() ? "" : "; ") + drained
                                 : troubles.front(),
                troubles.empty() ? A_NORMAL : A_BOLD);
    const auto table = control::shard_table(chosen_, now_);
    std::vector<std::size_t> widths(kColumns.size());
    for (const auto& row : table.rows) {
      for (std::size_t i = 0; i < kColumns.size(); ++i) {
        widths[i] = std::max(widths[i], control::length(row[kColumns[i]]));
      }
    }
    int fixed = 0;
    for (const auto width : widths) fixed += static_cast<int>(width) + 2;
    const int spark = std::clamp((COLS - fixed) / 4 - 1, 0, kLongestLine);
    const int room = std::max(0, LINES - 4);
    const int count = static_cast<int>(table.rows.size()) - 1;
    top_ = std::clamp(top_, 0, std::max(0, count - room));
    for (int row = 0; row <= room; ++row) {
      const auto index = static_cast<std::size_t>(row == 0 ? 0 : top_ + row);
      screen.line(2 + row, "");
      if (index < table.rows.size()) draw_row(screen, 2 + row, table.rows[index], index, widths, spark);
    }
    const auto below = count - top_ - room;
    const auto more = below > 0 ? "↓ " + std::to_string(below) + " more  " : std::string();
    screen.line(LINES - 1,
                trouble_.empty()
                    ? more + "q quit  s sort: " + options_.sort + (options_.reverse ? " reversed" : "") +
                          "  r reverse  f state: " + (state_.empty() ? "all" : state_)
                    : "trying again: " + trouble_,
                trouble_.empty() ? A_REVERSE : A_REVERSE | A_BOLD);
    ::refresh();
  }

  /// Handles a key; returns false if the user quits.
  bool key(int key) {
    const int page = std::max(1, LINES - 4);
    switch (key) {
      case 'q':
        return false;
      case 's':
        options_.sort = std::string(next(control::sort_keys(), options_.sort));
        break;
      case 'r':
        options_.reverse = !options_.reverse;
        break;
      case 'f':
        next_state();
        break;
      case KEY_DOWN:
      case 'j':
        ++top_;
        break;
      case KEY_UP:
      case 'k':
        --top_;
        break;
      case KEY_NPAGE:
      case ' ':
        top_ += page;
        break;
      case KEY_PPAGE:
        top_ -= page;
        break;
      case KEY_HOME:
        top_ = 0;
        break;
      default:
        break;
    }
    return true;
  }

 private:
  /// The shown columns of shard_table: SHARD, NAME, STATE, SEEN, then those with a sparkline.
  static constexpr std::array<std::size_t, 8> kColumns{0, 1, 2, 3, 5, 6, 7, 4};
  static constexpr std::size_t kFirstSpark = 4;

  static std::string_view next(std::span<const std::string_view> words, std::string_view word) {
    const auto found = std::find(words.begin(), words.end(), word);
    return found == words.end() || found + 1 == words.end() ? words.front() : *(found + 1);
  }

  /// Selects the next state that some shard is in; after the last one all states.
  void next_state() {
    std::set<std::string, std::less<>> states;
    for (const auto& shard : stats_.at("shards").as_array()) {
      states.emplace(shard.as_object().at("state").as_string());
    }
    const auto after = state_.empty() ? states.begin() : states.upper_bound(state_);
    state_ = after == states.end() ? std::string() : *after;
    top_ = 0;
  }

  /// Selects and sorts the shards to be shown.
  void choose() {
    chosen_ = stats_;
    if (!state_.empty()) control::keep_states(chosen_, {state_});
    control::sort_shards(chosen_, options_.sort, options_.reverse);
  }

  void remember(const bj::object& shard) {
    const std::string name(shard.at("id").as_string());
    const auto known = past_.find(name);
    const auto* const status = json::object_at(shard, "stats");
    if (known == past_.end() || status == nullptr) return;
    auto& samples = known->second;
    const auto sample = control::sample_of(*status);
    if (samples.empty() || sample.time > samples.back().time) samples.push_back(sample);
    const auto old = static_cast<double>(now_ - kWindow.count());
    std::erase_if(samples, [old](const control::Sample& each) { return each.time < old; });
  }

  /// The history of a shard, requested when the shard is first shown.
  const std::vector<control::Sample>& past(const std::string& name) {
    const auto [found, fresh] = past_.try_emplace(name);
    if (!fresh) return found->second;
    for (const auto& status : fetch_history(client_, name, now_ - kWindow.count())) {
      found->second.push_back(control::sample_of(status.as_object()));
    }
    if (!found->second.empty()) oldest_ = std::min(oldest_, found->second.front().time);
    return found->second;
  }

  void draw_row(const Screen& screen, int line, const control::Row& row, std::size_t index,
                const std::vector<std::size_t>& widths, int spark) {
    const bool header = index == 0;
    int column = 0;
    for (std::size_t i = 0; i < kColumns.size(); ++i) {
      const auto& cell = row[kColumns[i]];
      screen.part(line, column, cell, header ? A_BOLD : kColumns[i] == 2 ? screen.state(cell) : A_NORMAL);
      column += static_cast<int>(widths[i]) + 2;
      if (i < kFirstSpark || spark < kShortestLine) continue;
      if (!header) screen.part(line, column - 1, sparkline(row[1], i - kFirstSpark, spark));
      column += spark + 1;
    }
  }

  std::string sparkline(const std::string& name, std::size_t which, int width) {
    std::vector<control::Point> points;
    for (const auto& sample : past(name)) {
      const double values[] = {sample.cpu, sample.memory, sample.messages, sample.ping};
      points.push_back({sample.time, values[which]});
    }
    const control::Range range{oldest_, static_cast<double>(now_)};
    return control::sparkline(points, range, static_cast<std::size_t>(width), utf8());
  }

  const control::Client& client_;
  const std::function<Result<bj::object>()>& fetch_;
  WatchOptions options_;
  bj::object stats_;
  bj::object chosen_;
  std::map<std::string, std::vector<control::Sample>> past_;
  std::string state_;  ///< show only shards in this state; empty: all
  std::string trouble_;
  std::int64_t now_ = 0;
  double oldest_ = 0;  ///< start of all sparklines
  int top_ = 0;
};

}  // namespace

Result<void> watch(const control::Client& client, const std::function<Result<bj::object>()>& fetch,
                   const WatchOptions& options) {
  View view(client, fetch, options);
  if (auto first = view.look(); !first) return first;
  const Screen screen;
  auto next = std::chrono::steady_clock::now() + options.pause;
  view.draw(screen);
  while (asked_to_end == 0) {
    ::timeout(100);  // in milliseconds; a signal is noticed after at most this time
    const int key = ::getch();
    if (key != ERR && !view.key(key)) break;
    const auto now = std::chrono::steady_clock::now();
    if (now >= next) {
      // Later errors are shown in the view, and the request is repeated.
      (void)view.look();
      next = now + options.pause;
    } else if (key == ERR) {
      continue;
    }
    view.draw(screen);
  }
  return {};
}

}  // namespace smaster::tools
