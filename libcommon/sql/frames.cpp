#include "sql/frames.hpp"

#include <algorithm>
#include <utility>

#include "json/json.hpp"
#include "sql/rows.hpp"

namespace smaster::sql {
namespace {

constexpr std::uint64_t kProtocol = 2;  ///< a mismatch means that server and worker have different versions
constexpr std::size_t kMaxMessage = 4'096;  ///< maximum size of an error message, in bytes

/// Encodes numbers as 8 bytes (little-endian), and strings as a length and their bytes.
class FrameWriter {
 public:
  void number(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift & 0xff);
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_ += value;
  }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Decodes what FrameWriter wrote. After an error all results are empty, and `good` is false.
class FrameReader {
 public:
  explicit FrameReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    if (bytes_.size() < 8) {
      good_ = false;
      return 0;
    }
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(8);
    return value;
  }
  std::string_view text() {
    const auto size = number();
    if (size > bytes_.size()) good_ = false;
    if (!good_) return {};
    const auto value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  /// A number of items of at least 8 bytes each; fails if so many cannot follow.
  std::size_t count() {
    const auto value = number();
    if (value > bytes_.size() / 8) good_ = false;
    return good_ ? value : 0;
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

/// The first number of a message: its kind.
enum class Tag : std::uint64_t { ready, stale, writes, outcome, error };

void write(FrameWriter& out, const Outcome& outcome) {
  out.number(outcome.columns.size());
  for (const auto& column : outcome.columns) out.text(column);
  out.text(outcome.json);
  out.number(outcome.blobs.size());
  for (std::size_t i = 0; i < outcome.blobs.size(); ++i) {
    out.number(outcome.places[i]);
    out.text(outcome.blobs[i]);
  }
}

/// nullopt if the JSON is invalid, or a blob's placeholder is not at its place.
std::optional<Outcome> read_outcome(FrameReader& in) {
  Outcome outcome;
  for (auto left = in.count(); left > 0; --left) outcome.columns.emplace_back(in.text());
  const auto text = in.text();
  // socketio::encode_result appends a bracket to what may be megabytes.
  outcome.json.reserve(text.size() + 1);
  outcome.json = text;
  std::size_t from = 0;
  for (auto left = in.count(); left > 0; --left) {
    const auto place = in.number();
    const auto wanted = placeholder(outcome.blobs.size());
    if (place < from || place > outcome.json.size() ||
        outcome.json.compare(place, wanted.size(), wanted) != 0) {
      return std::nullopt;
    }
    from = place + wanted.size();
    outcome.places.push_back(place);
    outcome.blobs.emplace_back(in.text());
  }
  if (!json::valid(outcome.json)) return std::nullopt;
  return outcome;
}

Error unreadable() {
  return fail(
      ErrorKind::bad_data,
      "the SQL worker process sent something else than an answer; it may be of another version: restart the "
      "server");
}

struct Encode {
  std::string operator()(const Ready& ready) const {
    FrameWriter out;
    out.number(static_cast<std::uint64_t>(Tag::ready));
    out.text(ready.connection);
    out.text(ready.missing);
    return out.take();
  }
  std::string operator()(const Stale&) const { return only(Tag::stale); }
  std::string operator()(const Writes&) const { return only(Tag::writes); }
  std::string operator()(const Answer& answer) const {
    FrameWriter out;
    out.number(static_cast<std::uint64_t>(answer.outcome ? Tag::outcome : Tag::error));
    out.number(answer.last ? 1 : 0);
    if (answer.outcome) {
      write(out, *answer.outcome);
    } else {
      const auto& error = answer.outcome.error();
      out.number(static_cast<std::uint64_t>(error.kind));
      out.text(std::string_view(error.message).substr(0, kMaxMessage));
    }
    return out.take();
  }

 private:
  static std::string only(Tag tag) {
    FrameWriter out;
    out.number(static_cast<std::uint64_t>(tag));
    return out.take();
  }
};

}  // namespace

std::string frame(std::string_view payload) {
  std::string bytes;
  bytes.reserve(kFrameHeader + payload.size());
  for (std::size_t i = 0; i < kFrameHeader; ++i) bytes += static_cast<char>(payload.size() >> 8 * i & 0xff);
  return bytes.append(payload);
}

std::optional<std::size_t> frame_length(std::string_view header) {
  std::size_t length = 0;
  for (std::size_t i = kFrameHeader; i-- > 0;) length = length << 8 | static_cast<unsigned char>(header[i]);
  return length <= kMaxFrame ? std::optional(length) : std::nullopt;
}

std::string encode(const Order& order) {
  FrameWriter out;
  out.number(kProtocol);
  out.text(order.url);
  out.number(static_cast<std::uint64_t>(order.access));
  out.number(static_cast<std::uint64_t>(order.limits.timeout.count()));
  out.number(order.limits.max_rows);
  out.number(static_cast<std::uint64_t>(order.parent));
  out.text(order.end);
  return out.take();
}

Result<Order> decode_order(std::string_view payload) {
  FrameReader in(payload);
  Order order;
  const bool ours = in.number() == kProtocol;
  order.url = in.text();
  order.access = static_cast<Access>(in.number());
  order.limits.timeout = Millis{static_cast<std::int64_t>(in.number())};
  order.limits.max_rows = in.number();
  order.parent = static_cast<std::int64_t>(in.number());
  order.end = in.text();
  if (!ours || !in.at_end()) {
    return fail(ErrorKind::bad_data,
                "the SQL worker process is of another version than the server: restart the server");
  }
  return order;
}

std::string encode(const Message& message) {
  auto bytes = std::visit(Encode(), message);
  if (bytes.size() <= kMaxFrame) return bytes;
  return Encode()(Answer{too_large(), std::get<Answer>(message).last});
}

Result<Message> decode_message(std::string_view payload) {
  FrameReader in(payload);
  switch (static_cast<Tag>(in.number())) {
    case Tag::ready: {
      Ready ready;
      ready.connection = in.text();
      ready.missing = in.text();
      if (in.at_end()) return Message(std::move(ready));
      break;
    }
    case Tag::stale:
      if (in.at_end()) return Message(Stale());
      break;
    case Tag::writes:
      if (in.at_end()) return Message(Writes());
      break;
    case Tag::outcome: {
      const bool last = in.number() != 0;
      auto outcome = read_outcome(in);
      if (outcome && in.at_end()) return Message(Answer{std::move(*outcome), last});
      break;
    }
    case Tag::error: {
      const bool last = in.number() != 0;
      const auto kind = std::min(in.number(), static_cast<std::uint64_t>(ErrorKind::internal));
      const auto text = in.text().substr(0, kMaxMessage);
      if (in.at_end()) return Message(Answer{fail(static_cast<ErrorKind>(kind), std::string(text)), last});
      break;
    }
  }
  return unreadable();
}

}  // namespace smaster::sql
