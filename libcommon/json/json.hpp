// JSON as text and as values. Text that only passes through is never rebuilt: numbers keep their digits and
// keys their order. Knows nothing of what the JSON means.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::json {

namespace bj = boost::json;

/// How deeply arrays and objects may nest in anything we read.
inline constexpr std::size_t kMaxDepth = 512;

/// The value `text` holds; halves of surrogate pairs, which JavaScript can write, become U+FFFD. bad_data
/// with the offset when it is not exactly one JSON value.
[[nodiscard]] Result<bj::value> parse(std::string_view text);

/// Whether `text` is exactly one JSON value.
[[nodiscard]] bool valid(std::string_view text);

/// What an array consists of, as views into its text; nothing is unescaped or converted.
struct Elements {
  std::vector<std::string_view> values;
  /// The names of the members of those that are objects, one after the other, for `Members`. None when there
  /// are very many, or when one has escapes.
  std::vector<std::string_view> names;
};

/// bad_data when `text` is not exactly one valid JSON array.
[[nodiscard]] Result<Elements> split(std::string_view text);
/// Its values alone.
[[nodiscard]] Result<std::vector<std::string_view>> split_array(std::string_view text);

/// The members of the object `text`: names unescaped, values as views into it. bad_data when `text` is not
/// exactly one valid JSON object.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string_view>>> split_object(
    std::string_view text);

/// The members of an object, one after the other, without a value being made of it.
class Members {
 public:
  struct Member {
    std::string_view name;  ///< as it is written, without the quotes
    std::string_view value;
  };
  /// `object`: exactly one JSON object, known to be valid. `names`: of its members and maybe of others, as
  /// `split` gives them; without them the values are looked through for their ends.
  explicit Members(std::string_view object, std::span<const std::string_view> names = {});
  /// None at the end.
  [[nodiscard]] std::optional<Member> next();

 private:
  const char* at_;
  const char* end_;
  std::span<const std::string_view> names_;
};

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the result is
/// valid.
[[nodiscard]] std::string quote(std::string_view text);

/// An error as JavaScript's programs send it: {"name":"Error","message":"…"}.
[[nodiscard]] std::string error(std::string_view message);

/// Whether JavaScript takes the value for true, which is how shards tell an error from none.
[[nodiscard]] bool truthy(std::string_view text);

/// The string that the JSON `text` holds, or nothing when it is not a string.
[[nodiscard]] std::optional<std::string> unquote(std::string_view text);

/// The object that the field `key` is; none when it is missing or of another type.
[[nodiscard]] const bj::object* object_at(const bj::object& object, std::string_view key);

/// Sets `out` from the field `key` when it is there and of the right JSON type; else `out` keeps its value
/// (WIRE.md: clients send fields of any type).
void read(const bj::object& object, std::string_view key, bool& out);
void read(const bj::object& object, std::string_view key, std::string& out);
void read(const bj::object& object, std::string_view key, double& out);
void read(const bj::object& object, std::string_view key, std::int64_t& out);
void read(const bj::object& object, std::string_view key, Time& out);
void read(const bj::object& object, std::string_view key, ShardId& out);
void read(const bj::object& object, std::string_view key, ShardCount& out);

/// The number that the JSON `text` is; none when it is something else.
[[nodiscard]] std::optional<double> real(std::string_view text);
/// The same as a whole number, where one fits. JavaScript has only doubles: 1e3 and 1700000000000.5 are whole
/// or nearly whole numbers to it.
[[nodiscard]] std::optional<std::int64_t> whole(std::string_view text);

/// `value` as the shortest text that JavaScript would also print: "0.25", not "2.5E-1"; non-finite → "null".
[[nodiscard]] std::string number(double value);

/// The value as JSON text in which whole doubles print as integers and others as `number` does.
[[nodiscard]] std::string serialize(const bj::value& value);

}  // namespace smaster::json
