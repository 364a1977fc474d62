// smaster undrain: lets a drained host have shard ids again.
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("undrain", "Let a drained host have shard ids again",
                   "  smaster undrain fra1\n  smaster undrain fra1 && smaster rebalance --wait");
  std::string host;
  tool.app.add_option("HOST", host, "The host, by its agents' label")->required();
  tool.add_client_flags(Millis{10'000});
  return tool.run(argc, argv, [&] {
    const boost::json::object request{{"host", host}};
    const auto answer = tool.client().request("POST", "/v1/undrain", json::serialize(request));
    if (!answer) return tool.report(answer.error());
    tools::print_line("host " + host +
                      " gets shard ids that are free; \"smaster rebalance\" moves some of the others there");
    return static_cast<int>(tools::kDone);
  });
}
