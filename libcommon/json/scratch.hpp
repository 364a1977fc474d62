// JSON that is read once and thrown away, at little cost.
#pragma once

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace smaster::json {

/// A value that takes its memory from here, which is far cheaper than from the heap.
class Scratch {
 public:
  /// As json::parse; the value is good until the next call.
  [[nodiscard]] Result<const boost::json::value*> parse(std::string_view text);

 private:
  unsigned char buffer_[8192];
  boost::json::monotonic_resource memory_{buffer_, sizeof buffer_};
  std::optional<boost::json::value> value_;
};

/// The text of one member of the object `text`, which is known to be valid; none when it is not there.
[[nodiscard]] std::optional<std::string_view> member(std::string_view text, std::string_view name);

}  // namespace smaster::json
