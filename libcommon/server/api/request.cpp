#include "server/api/request.hpp"

#include <utility>

#include "json/json.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

constexpr Millis kLongestTimeout{24 * 3'600'000};

}  // namespace

control::Reply json_reply(const bj::value& value) { return {200, json::serialize(value)}; }

control::Reply usage(std::string sentence) {
  return control::error_reply(fail(ErrorKind::usage, std::move(sentence)));
}

control::Reply too_many_answers() {
  return control::error_reply(fail(
      ErrorKind::unavailable, "32 such answers are being written; try again when readers have taken them"));
}

Result<bj::object> body_object(const control::Call& call) {
  auto value = json::parse(call.body.empty() ? "{}" : call.body);
  if (!value) return fail(ErrorKind::usage, "the body is " + value.error().message);
  if (!value->is_object()) return fail(ErrorKind::usage, "the body is not a JSON object");
  return std::move(value->get_object());
}

Result<Millis> milliseconds(const bj::object& body, std::string_view key, Millis otherwise) {
  const auto* field = body.if_contains(key);
  if (field == nullptr) return otherwise;
  if (!field->is_int64() || field->get_int64() < 0 || field->get_int64() > kLongestTimeout.count()) {
    return fail(ErrorKind::usage, "\"" + std::string(key) + "\" is not a number of milliseconds up to a day");
  }
  return Millis{field->get_int64()};
}

bj::value name_value(const std::optional<ShardName>& name) {
  return name ? bj::value(name->str()) : bj::value(nullptr);
}

}  // namespace smaster::server
