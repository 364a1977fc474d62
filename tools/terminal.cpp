#include "terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "base/outlet.hpp"
#include "control/render.hpp"
#include "tool.hpp"

namespace smaster::tools {
namespace {

winsize size_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

std::string pager() {
  for (const auto* const name : {"SMASTER_PAGER", "PAGER"}) {
    if (const auto* const value = std::getenv(name)) return value;
  }
  return "less";
}

}  // namespace

bool utf8() {
  static const bool is = [] {
    std::setlocale(LC_ALL, "");
    return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  }();
  return is;
}

control::Look look() {
  if (::isatty(STDOUT_FILENO) != 1) return {};
  // no-color.org: any non-empty value disables colours
  const auto* const no_colour = std::getenv("NO_COLOR");
  const auto* const terminal = std::getenv("TERM");
  const bool plain = (no_colour != nullptr && *no_colour != 0) ||
                     (terminal != nullptr && std::string_view(terminal) == "dumb");
  return {size_of(STDOUT_FILENO).ws_col, !plain};
}

void page(std::string_view text) {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  const bool long_text = ::isatty(STDOUT_FILENO) == 1 && lines >= size_of(STDOUT_FILENO).ws_row;
  const auto program = pager();
  if (!long_text || program.empty() || program == "cat") return print_styled(text);
  std::signal(SIGPIPE, SIG_IGN);  // the user may quit the pager early
  // R: colours; S: no line wrapping, to keep columns; X: leave the output on the screen.
  ::setenv("LESS", "FRSX", 0);
  auto* const pipe = ::popen(program.c_str(), "we");
  if (pipe == nullptr) return print_styled(text);
  std::fwrite(text.data(), 1, text.size(), pipe);
  ::pclose(pipe);
}

Progress::Progress(bool wanted, Unit unit)
    : drawn_(wanted && ::isatty(STDERR_FILENO) == 1), unit_(unit), start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { finish(); }

void Progress::finish() {
  if (std::exchange(all_, 0) > 0) clear();
}

void Progress::update(std::int64_t done, std::int64_t all, std::string_view words) {
  done_ = done;
  all_ = all;
  words_ = outlet::terminal(words);
  draw();
}

void Progress::line(std::string_view text) {
  clear();
  print_line(text);
  draw();
}

void Progress::data_line(std::string_view text) {
  clear();
  print(std::string(text) + '\n');
  draw();
}

void Progress::json_line(std::string_view text) {
  clear();
  print_json(std::string(text) + '\n');
  draw();
}

void Progress::clear() const {
  if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::draw() const {
  if (!drawn_ || all_ <= 0) return;
  constexpr std::int64_t kBar = 24;
  const auto full = std::clamp<std::int64_t>(done_ * kBar / all_, 0, kBar);
  std::string text = "[";
  for (std::int64_t i = 0; i < kBar; ++i) text += i < full ? '#' : '.';
  const auto amount = [this](std::int64_t value) {
    return unit_ == Unit::bytes ? control::bytes(static_cast<double>(value)) : std::to_string(value);
  };
  text += "] " + amount(done_) + " of " + amount(all_);
  if (done_ > 0 && done_ < all_) {
    const auto spent = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - start_).count();
    text += ", about " + seconds(spent * (all_ - done_) / done_) + " left";
  }
  if (!words_.empty()) text += "; " + words_;
  const auto width = size_of(STDERR_FILENO).ws_col;
  std::cerr << "\r\x1b[K" << control::fit(text, width > 1 ? width - 1U : 79U) << std::flush;
}

Result<std::string> send_file(const control::Client& client, std::string_view method, std::string_view target,
                              const std::string& path) {
  constexpr std::size_t kPiece = 262'144;
  std::ifstream file;
  std::error_code ignored;
  if (path != "-") file.open(path, std::ios::binary);
  if (path != "-" && (!file || std::filesystem::is_directory(path, ignored))) {
    return fail(ErrorKind::bad_data, "cannot read " + path);
  }
  auto& input = path == "-" ? std::cin : file;
  const auto size = path == "-" ? 0 : static_cast<std::int64_t>(std::filesystem::file_size(path, ignored));
  Progress bar(size > static_cast<std::int64_t>(kPiece), Progress::Unit::bytes);
  std::int64_t sent = 0;
  auto answer = client.upload(method, target, [&] {
    std::string piece(kPiece, '\0');
    input.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(input.gcount()));
    sent += input.gcount();
    bar.update(sent, size, sent == size ? "the server works on it" : "");
    return piece;
  });
  if (!answer) return fail(answer.error().kind, path + ": " + answer.error().message);
  return answer;
}

}  // namespace smaster::tools
