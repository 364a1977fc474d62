#include <boost/json/array.hpp>

#include "base/outlet.hpp"
#include "control/render.hpp"
#include "json/json.hpp"

namespace smaster::control {

std::vector<std::string> server_troubles(const boost::json::object& stats) {
  std::vector<std::string> troubles;
  std::string connections;
  json::read(stats, "connections_trouble", connections);
  if (!connections.empty()) troubles.push_back(outlet::terminal(connections));
  if (const auto* const list = stats.if_contains("troubles"); list != nullptr && list->is_array()) {
    for (const auto& trouble : list->get_array()) {
      if (trouble.is_string()) troubles.push_back(outlet::terminal(std::string_view(trouble.get_string())));
    }
  }
  return troubles;
}

}  // namespace smaster::control
