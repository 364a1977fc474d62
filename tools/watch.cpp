#include "watch.hpp"

#define NCURSES_NOMACROS  // its macros would replace the functions move and timeout
#include <ncurses.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <optional>
#include <variant>

#include "terminal.hpp"
#include "tool.hpp"
#include "watch/keys.hpp"
#include "watch/view.hpp"
#include "watch_commands.hpp"
#include "watch_fetcher.hpp"

namespace smaster::tools {
namespace {

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
    ::nodelay(stdscr, TRUE);
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

  void draw(const std::vector<watch::Line>& lines) const {
    ::erase();
    for (int row = 0; row < std::min(LINES, static_cast<int>(lines.size())); ++row) {
      ::move(row, 0);
      for (const auto& span : lines[static_cast<std::size_t>(row)]) {
        const auto attributes = attributes_of(span.style);
        ::wattr_on(stdscr, attributes, nullptr);
        ::addstr(span.text.c_str());
        ::wattr_off(stdscr, attributes, nullptr);
      }
    }
    ::refresh();
  }

  /// The next key; nullopt if there is none.
  [[nodiscard]] static std::optional<char32_t> key() {
    ::wint_t code = 0;
    const int kind = ::get_wch(&code);
    if (kind == ERR) return std::nullopt;
    if (kind != KEY_CODE_YES) return code == 27 ? char32_t{watch::kEscape} : static_cast<char32_t>(code);
    switch (code) {
      case KEY_UP:
        return watch::kUp;
      case KEY_DOWN:
        return watch::kDown;
      case KEY_NPAGE:
        return watch::kPageDown;
      case KEY_PPAGE:
        return watch::kPageUp;
      case KEY_HOME:
        return watch::kHome;
      case KEY_END:
        return watch::kEnd;
      case KEY_ENTER:
        return watch::kEnter;
      case KEY_BACKSPACE:
        return watch::kBackspace;
      default:
        return watch::kOther;
    }
  }

 private:
  [[nodiscard]] attr_t attributes_of(const watch::Style& style) const {
    attr_t attributes = A_NORMAL;
    if (style.bold) attributes |= A_BOLD;
    if (style.faint) attributes |= A_DIM;
    if (style.reverse) attributes |= A_REVERSE;
    // ECMA-48's colour numbers equal curses' pairs.
    if (colours_ && style.colour > 0) attributes |= static_cast<attr_t>(COLOR_PAIR(style.colour));
    return attributes;
  }

  bool colours_ = false;
};

/// A file that becomes readable when another thread has news.
class Wake {
 public:
  Wake() : file_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Wake() { ::close(file_); }
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  void set() const { (void)::eventfd_write(file_, 1); }
  void clear() const {
    eventfd_t count = 0;
    (void)::eventfd_read(file_, &count);
  }
  [[nodiscard]] int file() const { return file_; }

 private:
  int file_;
};

/// A thread that handles none of the signals: they are for the one that draws.
template <class Make>
auto without_signals(Make make) {
  sigset_t all;
  sigset_t old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  auto made = make();
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return made;
}

void hear(watch::View& view, Fetcher::News news) {
  if (auto* const snapshot = std::get_if<watch::Snapshot>(&news)) view.update(std::move(*snapshot));
  if (const auto* const error = std::get_if<Error>(&news)) {
    view.failed(error->message, error->kind != ErrorKind::unavailable && error->kind != ErrorKind::timed_out);
  }
  if (const auto* const past = std::get_if<Fetcher::Past>(&news)) view.past(past->name, past->statuses);
}

/// Hands over the keys that were typed; returns how many.
int type(watch::View& view) {
  int count = 0;
  for (auto key = Screen::key(); key && !view.quit(); key = Screen::key()) {
    view.key(*key);
    ++count;
  }
  return count;
}

void run(watch::View& view, Fetcher& fetcher, Commands& commands, const Wake& wake) {
  constexpr int kTick = 500;  // milliseconds; ages grow
  // A file at its end can always be read; so can the beginning of a key's sequence, but not that often.
  constexpr int kMostEmpty = 100;
  const Screen screen;
  int empty = 0;
  while (asked_to_end == 0 && !view.quit()) {
    view.resize(static_cast<std::size_t>(std::max(COLS, 1)), static_cast<std::size_t>(std::max(LINES, 1)));
    screen.draw(view.draw(now_ms()));
    for (const auto& request : view.requests()) {
      if (request.kind == watch::Request::Kind::run) commands.start(request.run, request.words);
      if (request.kind == watch::Request::Kind::stop) commands.stop(request.run);
      if (request.kind == watch::Request::Kind::past) fetcher.ask_past(request.words.front());
    }
    std::vector<pollfd> files{{empty < kMostEmpty ? STDIN_FILENO : -1, POLLIN, 0}, {wake.file(), POLLIN, 0}};
    commands.wait_for(files);
    (void)::poll(files.data(), files.size(), kTick);
    if ((files[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return;
    const int typed = type(view);  // a new size of the terminal is a key, too
    empty = typed == 0 && (files[0].revents & POLLIN) != 0 ? empty + 1 : empty;
    if (typed > 0) empty = 0;
    wake.clear();
    for (auto& news : fetcher.take()) hear(view, std::move(news));
    commands.read();
  }
}

}  // namespace

Result<void> watch(const control::Client& client, const std::function<Result<boost::json::object>()>& fetch,
                   const WatchOptions& options) {
  auto first = fetch();
  if (!first) return first.error();
  watch::View view({options.pause, options.sort, options.reverse, utf8()});
  view.update({std::move(*first), now_ms()});
  const Wake wake;
  const auto fetcher = without_signals(
      [&] { return std::make_unique<Fetcher>(client, fetch, options.pause, [&wake] { wake.set(); }); });
  {
    Commands commands(options.socket, {[&view](int run, std::string_view bytes) { view.output(run, bytes); },
                                       [&view](int run, int code) { view.ended(run, code); }});
    run(view, *fetcher, commands, wake);
  }
  // A server that does not answer is not waited for.
  if (!fetcher->end()) std::_Exit(kDone);
  return {};
}

}  // namespace smaster::tools
