// JSON as text and as values. Forwarded text is never rebuilt: numbers keep their digits, and keys their
// order. Knows nothing of the meaning of the JSON.
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

/// Maximum nesting of arrays and objects in input.
inline constexpr std::size_t kMaxDepth = 512;

/// Parses one JSON value. Unpaired surrogates, which JavaScript may write, become U+FFFD. Errors: bad_data,
/// with the offset.
[[nodiscard]] Result<bj::value> parse(std::string_view text);

/// True if `text` is exactly one JSON value.
[[nodiscard]] bool valid(std::string_view text);

/// The elements of an array, as views into its text; nothing is unescaped or converted.
struct Elements {
  std::vector<std::string_view> values;
  /// The member names of those elements that are objects, in order, for `Members`. Empty if there are too
  /// many, or if one contains an escape.
  std::vector<std::string_view> names;
};

/// Errors: bad_data if `text` is not exactly one valid JSON array.
[[nodiscard]] Result<Elements> split(std::string_view text);
/// Like split, but without names.
[[nodiscard]] Result<std::vector<std::string_view>> split_array(std::string_view text);

/// The members of an object: names unescaped, values as views. Errors: bad_data if `text` is not exactly one
/// valid JSON object.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string_view>>> split_object(
    std::string_view text);

/// Iterates over the members of an object without creating values.
class Members {
 public:
  struct Member {
    std::string_view name;  ///< as spelled in the text, without quotes
    std::string_view value;
  };
  /// `object`: exactly one valid JSON object. `names`: from `split`; may include those of other objects.
  /// Without names, the values are scanned for their ends.
  explicit Members(std::string_view object, std::span<const std::string_view> names = {});
  /// The next member; nullopt at the end.
  [[nodiscard]] std::optional<Member> next();

 private:
  const char* at_;
  const char* end_;
  std::span<const std::string_view> names_;
};

/// `text` as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string quote(std::string_view text);

/// An error in the form of JavaScript programs: {"name":"Error","message":"…"}.
[[nodiscard]] std::string error(std::string_view message);

/// True if JavaScript treats the value as true. Shards use this to distinguish an error from none.
[[nodiscard]] bool truthy(std::string_view text);

/// The value of a JSON string; nullopt if `text` is not a string.
[[nodiscard]] std::optional<std::string> unquote(std::string_view text);

/// The object in field `key`; null if the field is missing or has another type.
[[nodiscard]] const bj::object* object_at(const bj::object& object, std::string_view key);

/// Sets `out` from the field `key`; keeps its value if the field is missing or has another type (WIRE.md:
/// clients send fields of any type).
void read(const bj::object& object, std::string_view key, bool& out);
void read(const bj::object& object, std::string_view key, std::string& out);
void read(const bj::object& object, std::string_view key, double& out);
void read(const bj::object& object, std::string_view key, std::int64_t& out);
void read(const bj::object& object, std::string_view key, Time& out);
void read(const bj::object& object, std::string_view key, ShardId& out);
void read(const bj::object& object, std::string_view key, ShardCount& out);

/// The value of a JSON number; nullopt for other values.
[[nodiscard]] std::optional<double> real(std::string_view text);
/// The same as an integer, rounded towards zero; nullopt if out of range. JavaScript has only doubles, so 1e3
/// or 1700000000000.5 may stand for integers.
[[nodiscard]] std::optional<std::int64_t> whole(std::string_view text);

/// The shortest text for `value`, as JavaScript prints it: "0.25", not "2.5E-1". Not finite: "null".
[[nodiscard]] std::string number(double value);

/// JSON text in which integral doubles are printed as integers, and others as by `number`.
[[nodiscard]] std::string serialize(const bj::value& value);

}  // namespace smaster::json
