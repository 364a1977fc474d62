// The server's answer to `GET /v1/stats`.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>

namespace smaster::watch {

struct Snapshot {
  boost::json::object stats;
  std::int64_t at_ms = 0;  ///< when it arrived, in unix milliseconds

  [[nodiscard]] const boost::json::array& shards() const { return stats.at("shards").as_array(); }
};

}  // namespace smaster::watch
