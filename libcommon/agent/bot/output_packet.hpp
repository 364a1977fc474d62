// What a keeper sends to its agent of its bot's output: packets of whole lines, each with the time at which
// they were read. The keeper never waits for the agent: what the agent does not take in time is dropped,
// oldest first, and counted. Bytes and times in, packets out; used by both processes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace smaster::agent {

/// Where a line comes from. `note`: a remark of the agent or of the keeper, about the bot or its output.
enum class OutputStream : std::uint32_t { note = 0, out = 1, err = 2 };

/// The beginning of a packet; the lines follow, each with its line feed. Both processes are on one machine.
struct OutputHead {
  std::int64_t time = 0;   ///< unix milliseconds
  std::uint32_t lost = 0;  ///< lines that were dropped before these
  std::uint32_t stream = 0;
};

/// Maximum size of a line in bytes; of a longer one the rest is replaced by kCut. The beginning of a line
/// that has no end yet ends in kCut, too, and its rest becomes a line of its own.
inline constexpr std::size_t kMaxOutputLine = 8'192;
inline constexpr std::string_view kCut = "…";
/// Maximum size of a packet's lines in bytes.
inline constexpr std::size_t kMaxOutputText = 65'536;

/// The lines of one stream that the agent has not taken yet.
class OutputPacker {
 public:
  explicit OutputPacker(OutputStream stream) { head_.stream = static_cast<std::uint32_t>(stream); }

  /// Adds bytes that the bot has written; an incomplete line waits for its end.
  void add(std::string_view bytes, std::int64_t now_ms) {
    head_.time = now_ms;
    if (std::exchange(passed_on_, passed_on_ && bytes.empty()) && bytes.starts_with('\n'))
      bytes.remove_prefix(1);
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      const auto part = bytes.substr(0, end);
      const auto room = kMaxOutputLine - line_.size();
      cut_ = cut_ || part.size() > room;
      line_.append(part.substr(0, room));
      if (end == std::string_view::npos) break;
      end_line();
      bytes.remove_prefix(end + 1);
    }
    drop_oldest();
  }
  /// The bot has closed the stream: its last line needs no line feed.
  void finish(std::int64_t now_ms) {
    if (line_.empty()) return;
    head_.time = now_ms;
    end_line();
    drop_oldest();
  }
  /// True if there is a line without its end.
  [[nodiscard]] bool begun() const { return !line_.empty(); }
  /// Passes on the beginning of a line whose end has not come for a while, such as a question.
  void pass_on_begun(std::int64_t now_ms) {
    if (line_.empty()) return;
    cut_ = true;
    passed_on_ = true;
    finish(now_ms);
  }
  /// True if there is something to send.
  [[nodiscard]] bool waits() const { return !lines_.empty(); }
  /// The two parts of the next packet.
  [[nodiscard]] const OutputHead& head() const { return head_; }
  [[nodiscard]] const std::string& text() const { return lines_; }
  /// The packet was sent.
  void sent() {
    lines_.clear();
    head_.lost = 0;
  }

 private:
  /// The newest lines are kept: they say why a bot died.
  void drop_oldest() {
    if (lines_.size() <= kMaxOutputText) return;
    const auto end = lines_.find('\n', lines_.size() - kMaxOutputText - 1) + 1;
    const auto dropped = std::string_view(lines_).substr(0, end);
    head_.lost += static_cast<std::uint32_t>(std::count(dropped.begin(), dropped.end(), '\n'));
    lines_.erase(0, end);
  }
  void end_line() {
    lines_.append(line_).append(cut_ ? kCut : "").append(1, '\n');
    line_.clear();
    cut_ = false;
  }

  OutputHead head_;
  std::string lines_;
  std::string line_;  ///< incomplete
  bool cut_ = false;
  bool passed_on_ = false;  ///< the beginning of the present line
};

/// Calls `each` for each line of a packet; false if it is none.
template <class Each>
bool read_output_packet(std::string_view packet, OutputHead& head, Each each) {
  if (packet.size() < sizeof head) return false;
  std::memcpy(&head, packet.data(), sizeof head);
  packet.remove_prefix(sizeof head);
  if (head.stream != static_cast<std::uint32_t>(OutputStream::out) &&
      head.stream != static_cast<std::uint32_t>(OutputStream::err)) {
    return false;
  }
  while (!packet.empty()) {
    const auto end = std::min(packet.find('\n'), packet.size());
    each(packet.substr(0, end));
    packet.remove_prefix(std::min(end + 1, packet.size()));
  }
  return true;
}

/// Takes a keeper's packets. Called on the context's thread.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  virtual void output(std::string_view packet) = 0;
};

}  // namespace smaster::agent
