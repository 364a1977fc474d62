#include "control/stream.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace smaster::control {

namespace http = boost::beast::http;

Call to_call(const http::request_header<>& request) {
  Call call{std::string(request.method_string()), "", {}, "", nullptr, request};
  if (const auto url = boost::urls::parse_origin_form(request.target())) {
    call.path = url->path();
    for (const auto& parameter : url->params()) call.query.emplace(parameter.key, parameter.value);
  }
  return call;
}

}  // namespace smaster::control
