// smaster step-down: makes the leading server hand over to another one.
#include <boost/json/object.hpp>
#include <thread>

#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

/// The name of the leader; empty: there is none, or it is unknown.
std::string leader(const control::Client& client) {
  std::string name;
  if (const auto members = tools::fetch(client, "/v1/members")) json::read(*members, "leader", name);
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("step-down", "Have the server that leads hand over to one that stands by",
                   "  smaster step-down\n  smaster step-down --timeout 30s");
  tool.add_client_flags(Millis{15'000});

  return tool.run(argc, argv, [&] {
    constexpr Millis kLook{100};
    const auto until = std::chrono::steady_clock::now() + tool.timeout;
    const auto answer = tool.client().request("POST", "/v1/step-down");
    if (!answer) return tool.report(answer.error());
    const auto object = json::parse(*answer);
    std::string before;
    if (object && object->is_object()) json::read(object->get_object(), "was", before);
    while (std::chrono::steady_clock::now() < until) {
      const auto now = leader(tool.client());
      if (!now.empty() && now != before) {
        tools::print_line(before + " has handed over, " + now + " leads");
        return static_cast<int>(tools::kDone);
      }
      std::this_thread::sleep_for(kLook);
    }
    return tool.report(fail(ErrorKind::timed_out, before + " has stepped down, and nobody leads yet; see "
                                                           "\"smaster members\""));
  });
}
