#include "net/http_rules.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <ctime>

namespace smaster::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace urls = boost::urls;

/// True for a valid Host header or URL authority: a name or an address, optionally a port; no user:password@.
bool is_host(std::string_view text) {
  if (text.empty()) return true;  // valid for targets without an authority
  const auto authority = urls::parse_authority(text);
  if (!authority || authority->has_userinfo()) return false;
  // Boost.URL accepts any digits as a port, and returns 0 for numbers out of range.
  return !authority->has_port() || authority->port().empty() || authority->port_number() != 0;
}

std::string_view field(const http::request_header<>& request, http::field name) {
  const auto value = request[name];
  return {value.data(), value.size()};
}

bool check_target(http::request_header<>& request) {
  const std::string_view target(request.target().data(), request.target().size());
  if (target.starts_with('/')) return urls::parse_origin_form(target).has_value();
  if (target == "*") return request.method() == http::verb::options;
  const auto url = urls::parse_absolute_uri(target);
  if (!url || (url->scheme_id() != urls::scheme::http && url->scheme_id() != urls::scheme::https))
    return false;
  const std::string authority(std::string_view(url->encoded_authority()));
  if (authority.empty() || !is_host(authority)) return false;
  std::string origin(std::string_view(url->encoded_path()));
  if (origin.empty()) origin = '/';
  if (url->has_query()) origin += '?' + std::string(std::string_view(url->encoded_query()));
  request.target(origin);  // `url` is a view into the old target: invalid from here on
  request.set(http::field::host, authority);
  return true;
}

/// Checks that the length of the body is given exactly once (RFC 9112, 6).
boost::system::error_code check_length(const http::request_header<>& request) {
  const auto lengths = request.count(http::field::content_length);
  const auto codings = request.count(http::field::transfer_encoding);
  if (codings > 0) {
    const bool chunked = codings == 1 && beast::iequals(request[http::field::transfer_encoding], "chunked");
    if (!chunked || lengths > 0 || request.version() < 11) return http::error::bad_transfer_encoding;
    return {};
  }
  if (lengths == 0) return {};
  const auto length = field(request, http::field::content_length);
  const bool digits = std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (lengths > 1 || !digits) return http::error::bad_content_length;
  return {};
}

}  // namespace

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

boost::system::error_code check_request(http::request_header<>& request) {
  const auto hosts = request.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && request.version() >= 11) || !is_host(field(request, http::field::host))) {
    return http::error::bad_field;
  }
  if (const auto error = check_length(request)) return error;
  if (!check_target(request)) return http::error::bad_target;
  return {};
}

std::optional<http::status> refusal_status(boost::system::error_code error) {
  // A peer that is gone or too slow gets no answer. All other HTTP errors are malformed requests.
  const auto& category = make_error_code(http::error::bad_method).category();
  if (error.category() != category || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error == http::error::body_limit) return http::status::payload_too_large;
  if (error == http::error::header_limit) return http::status::request_header_fields_too_large;
  return http::status::bad_request;
}

bool skip_empty_lines(beast::flat_buffer& buffer) {
  for (;;) {
    const auto bytes = buffer.cdata();
    const auto* const text = static_cast<const char*>(bytes.data());
    if (bytes.size() == 0) return false;
    if (text[0] != '\r') return true;
    if (bytes.size() == 1) return false;
    if (text[1] != '\n') return true;  // invalid: the parser reports it
    buffer.consume(2);
  }
}

}  // namespace smaster::net
