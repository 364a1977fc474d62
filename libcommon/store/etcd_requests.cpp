#include "store/etcd_requests.hpp"

#include <boost/json/array.hpp>
#include <iterator>
#include <utility>

#include "json/json.hpp"
#include "store/etcd_client.hpp"

namespace smaster::store {

bj::object put(const std::string& key, std::string_view value, std::int64_t lease) {
  bj::object request{{"key", to_base64(key)}, {"value", to_base64(value)}};
  if (lease != 0) request["lease"] = std::to_string(lease);
  return {{"request_put", std::move(request)}};
}

bj::object remove_key(const std::string& key) {
  return {{"request_delete_range", {{"key", to_base64(key)}}}};
}

bj::object created_at(const std::string& key, std::int64_t revision) {
  return {{"target", "CREATE"},
          {"key", to_base64(key)},
          {"result", "EQUAL"},
          {"create_revision", std::to_string(revision)}};
}

bj::object has_value(const std::string& key, const std::string& value) {
  return {{"target", "VALUE"}, {"key", to_base64(key)}, {"result", "EQUAL"}, {"value", to_base64(value)}};
}

bj::object get(const std::string& key) { return {{"request_range", {{"key", to_base64(key)}}}}; }

std::vector<KeyValue> key_values(const bj::object& range) {
  std::vector<KeyValue> found;
  const auto* const list = range.if_contains("kvs");
  if (list == nullptr || !list->is_array()) return found;
  for (const auto& element : list->get_array()) {
    if (!element.is_object()) continue;
    const auto& object = element.get_object();
    std::string key, value;
    json::read(object, "key", key);
    json::read(object, "value", value);
    found.push_back({from_base64(key), from_base64(value), number_at(object, "lease"),
                     number_at(object, "create_revision")});
  }
  return found;
}

std::int64_t revision_of(const bj::object& answer) {
  const auto* const header = json::object_at(answer, "header");
  return header == nullptr ? 0 : number_at(*header, "revision");
}

std::vector<KeyValue> found_by(const bj::object& answer) {
  std::vector<KeyValue> found;
  const auto* const responses = answer.if_contains("responses");
  if (responses == nullptr || !responses->is_array()) return found;
  for (const auto& response : responses->get_array()) {
    if (!response.is_object()) continue;
    if (const auto* const range = json::object_at(response.get_object(), "response_range")) {
      auto some = key_values(*range);
      std::move(some.begin(), some.end(), std::back_inserter(found));
    }
  }
  return found;
}

bool succeeded(const bj::object& answer) {
  bool yes = false;
  json::read(answer, "succeeded", yes);
  return yes;
}

}  // namespace smaster::store
