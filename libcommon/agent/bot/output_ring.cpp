#include "agent/bot/output_ring.hpp"

#include <algorithm>
#include <utility>

#include "base/outlet.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// A shorter secret is a word that any output may contain.
constexpr std::size_t kLeastSecret = 8;
constexpr std::string_view kSecret = "[token]";
constexpr std::size_t kLineHead = 32;  ///< maximum size of a line's JSON without its text, about

std::string line_json(Time time, OutputStream stream, std::string_view text) {
  return '[' + std::to_string(to_unix_ms(time)) + ',' + std::to_string(static_cast<int>(stream)) + ',' +
         json::quote(text) + ']';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Without control characters and sequences (ECMA-48, 5.4).
std::string shown_of(std::string_view text) {
  const auto ends = [](char c) { return c >= '@' && c <= '~'; };
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\x1b[")) {
      for (i += 2; i < text.size() && !ends(text[i]); ++i) continue;
    } else if (!is_control(text[i])) {
      shown += text[i];
    }
  }
  return shown;
}

}  // namespace

std::string dropped_words(std::uint64_t lines) {
  return '(' + std::to_string(lines) + (lines == 1 ? " line dropped)" : " lines dropped)");
}

std::string OutputRing::without_secret(OutputStream stream, std::string_view text) {
  std::string clean(text);
  if (secret_.size() < kLeastSecret) return clean;
  // Its beginning may have been passed on with the line before.
  auto& begun = begun_secret_.at(static_cast<std::size_t>(stream));
  const auto before = std::exchange(begun, 0);
  if (const auto rest = std::string_view(secret_).substr(before); before > 0) {
    if (clean.starts_with(rest)) {
      clean.replace(0, rest.size(), kSecret);
    } else if (text.ends_with(kCut)) {
      const auto part = text.substr(0, text.size() - kCut.size());
      if (!part.empty() && rest.starts_with(part)) {  // its middle: the rest comes with a later part
        begun = before + part.size();
        return std::string(kSecret) + std::string(kCut);
      }
    }
  }
  // What a terminal does not show may stand inside it, such as a colour.
  if (std::any_of(clean.begin(), clean.end(), is_control)) {
    if (auto shown = shown_of(clean); shown.find(secret_) != std::string::npos) clean = std::move(shown);
  }
  for (auto at = clean.find(secret_); at != std::string::npos; at = clean.find(secret_, at)) {
    clean.replace(at, secret_.size(), kSecret);
  }
  // Of a line that was cut inside the token, its beginning is left.
  if (!text.ends_with(kCut)) return clean;
  const auto end = clean.size() - kCut.size();
  for (auto part = std::min(end, secret_.size() - 1); part > 0; --part) {
    if (std::string_view(clean).substr(end - part, part) != std::string_view(secret_).substr(0, part))
      continue;
    begun = part;
    return part < kLeastSecret ? clean : clean.replace(end - part, part, kSecret);
  }
  return clean;
}

void OutputRing::add(Time time, OutputStream stream, std::string_view text) {
  ++newest_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  lines_.push_back({time, stream, without_secret(stream, text)});
  bytes_ += lines_.back().text.size();
  if (on_line) on_line(time, stream, lines_.back().text);
  while (lines_.size() > most_ || (lines_.size() > 1 && bytes_ > most_ * kBytesPerLine)) {
    bytes_ -= lines_.front().text.size();
    lines_.pop_front();
  }
}

void OutputRing::take(std::string_view packet) {
  OutputHead head;
  (void)read_output_packet(packet, head, [&](std::string_view line) {
    const auto time = from_unix_ms(head.time);
    if (head.lost > 0) add(time, OutputStream::note, dropped_words(std::exchange(head.lost, 0)));
    add(time, static_cast<OutputStream>(head.stream), line);
  });
}

std::string OutputRing::select(const Wanted& wanted) const {
  const auto first = newest_ - lines_.size();  // the number before that of the oldest line
  std::vector<std::string> chosen;             // newest first
  std::size_t bytes = 0;
  const auto after = wanted.after.value_or(first);
  std::uint64_t missing = after < first ? first - after : 0;
  auto number = newest_;
  for (auto at = lines_.rbegin(); at != lines_.rend() && number > after; ++at, --number) {
    if (at->time < wanted.since) continue;
    if (chosen.size() == wanted.lines) break;
    auto text = line_json(at->time, at->stream, at->text);
    if (bytes + text.size() > wanted.bytes) {
      missing += number - std::max(after, first);
      if (!chosen.empty()) break;
      // At least a part of the newest line.
      const auto part = [&](std::size_t size) {
        return line_json(at->time, at->stream, std::string(outlet::cut(at->text, size)).append(kCut));
      };
      text = part(wanted.bytes / 2);
      if (text.size() > wanted.bytes + kLineHead) text = part(wanted.bytes / 8);  // JSON escapes most of it
      --missing;
      chosen.push_back(std::move(text));
      break;
    }
    bytes += text.size() + 1;
    chosen.push_back(std::move(text));
  }
  if (missing > 0) {
    const auto time =
        lines_.empty() ? Time{} : lines_[lines_.size() - std::max<std::size_t>(chosen.size(), 1)].time;
    chosen.push_back(line_json(time, OutputStream::note, dropped_words(missing)));
  }
  std::string array = "[";
  for (auto at = chosen.rbegin(); at != chosen.rend(); ++at)
    array.append(array.size() > 1 ? "," : "").append(*at);
  return array + ']';
}

std::vector<std::string> OutputRing::tail(std::uint64_t after, std::size_t lines, std::size_t bytes) const {
  std::vector<std::string> chosen;
  auto number = newest_;
  for (auto at = lines_.rbegin(); at != lines_.rend() && number > after; ++at, --number) {
    if (at->stream == OutputStream::note || at->text.empty()) continue;
    if (chosen.size() == lines || bytes == 0) break;
    // Bytes that are not UTF-8 become U+FFFD: these lines become a part of JSON.
    const auto text = json::unquote(json::quote(at->text)).value_or("");
    chosen.emplace_back(outlet::cut(text, bytes));
    bytes -= std::min(bytes, std::max<std::size_t>(chosen.back().size(), 1));
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace smaster::agent
