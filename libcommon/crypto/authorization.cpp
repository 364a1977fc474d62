#include "crypto/authorization.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace smaster::crypto {
namespace {

bool is_base64(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
  });
}

}  // namespace

Result<Authorization> parse_authorization(std::string_view header) {
  const auto first = header.find(',');
  const auto second = first == std::string_view::npos ? first : header.find(',', first + 1);
  if (second == std::string_view::npos)
    return fail(ErrorKind::bad_data, "not of the form name,signature,time");

  auto name = ShardName::parse(header.substr(0, first));
  const auto signature = header.substr(first + 1, second - first - 1);
  const auto time_text = header.substr(second + 1);
  const auto time = parse_int<std::int64_t>(time_text);
  if (!name) return fail(ErrorKind::bad_data, "the name is not three or more letters a-z");
  if (signature.empty() || signature.size() > kMaxSignature || !is_base64(signature)) {
    return fail(ErrorKind::bad_data, "the signature is not base64");
  }
  if (!time || *time < 0) return fail(ErrorKind::bad_data, "the time is not in unix milliseconds");
  return Authorization{*name, std::string(signature), from_unix_ms(*time),
                       name->str() + std::string(time_text)};
}

bool UsedHeaders::insert(std::string signed_text, Time until, Time now) {
  // Entries are added roughly in order of expiry. One behind a later entry stays a little longer, which costs
  // only memory.
  while (!order_.empty() && order_.front().first < now) {
    used_.erase(order_.front().second);
    order_.pop_front();
  }
  if (!used_.insert(signed_text).second) return false;
  order_.emplace_back(until, std::move(signed_text));
  return true;
}

}  // namespace smaster::crypto
