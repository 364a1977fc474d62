// Parts of etcd's requests and answers.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::store {

namespace bj = boost::json;

// What a transaction does.
[[nodiscard]] bj::object put(const std::string& key, std::string_view value, std::int64_t lease = 0);
[[nodiscard]] bj::object remove_key(const std::string& key);
[[nodiscard]] bj::object get(const std::string& key);
// What it depends on.
[[nodiscard]] bj::object created_at(const std::string& key, std::int64_t revision);
[[nodiscard]] bj::object has_value(const std::string& key, const std::string& value);

struct KeyValue {
  std::string key;
  std::string value;
  std::int64_t lease = 0;
  std::int64_t created = 0;  ///< creation revision
};

[[nodiscard]] std::vector<KeyValue> key_values(const bj::object& range);
[[nodiscard]] std::int64_t revision_of(const bj::object& answer);
/// All key-values found by the ranges in a transaction's response.
[[nodiscard]] std::vector<KeyValue> found_by(const bj::object& answer);
[[nodiscard]] bool succeeded(const bj::object& answer);

}  // namespace smaster::store
