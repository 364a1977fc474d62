#include "json/scratch.hpp"

#include <boost/json/parse.hpp>
#include <utility>

#include "json/json.hpp"

namespace smaster::json {

Result<const bj::value*> Scratch::parse(std::string_view text) {
  value_.reset();
  memory_.release();
  bj::parse_options options;
  options.max_depth = kMaxDepth;
  boost::system::error_code error;
  value_.emplace(bj::parse(text, error, &memory_, options), &memory_);
  if (!error) return &*value_;
  auto mended = json::parse(text);  // which takes what JavaScript writes beyond JSON
  if (!mended) return mended.error();
  value_.emplace(std::move(*mended));
  return &*value_;
}

}  // namespace smaster::json
