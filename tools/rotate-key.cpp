// smaster rotate-key: replaces the master's key pair while shards stay connected.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "tool.hpp"

namespace {

std::string sentence(const boost::json::object& state) {
  const auto* const behind = state.if_contains("behind");
  if (behind == nullptr || !behind->is_array()) return "there is one key pair\n";
  std::string text = "two key pairs are accepted; " + std::to_string(behind->get_array().size()) +
                     " shards trust the old one still\n";
  for (const auto& name : behind->get_array()) {
    if (name.is_string()) text.append(name.get_string()).append("\n");
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("rotate-key", "Give the master another key pair, and have both accepted meanwhile",
                   "  smaster rotate-key\n  smaster rotate-key --finish");
  bool status = false;
  bool finish = false;
  bool force = false;
  bool as_json = false;
  tool.app.add_flag("--status", status, "Only print who trusts the old key still");
  auto* const finishing =
      tool.app.add_flag("--finish", finish, "From now on there is only the new pair")->excludes("--status");
  tool.app
      .add_flag("--force", force,
                "Finish although some shards trust the old key: they will refuse the master")
      ->needs(finishing);
  tool.app.add_flag("--json", as_json, "Print JSON: {active, behind}");
  tool.add_client_flags(Millis{60'000});

  return tool.run(argc, argv, [&] {
    const std::string path = "/v1/keys/rotation";
    const boost::json::object request{{"finish", finish}, {"force", force}};
    const auto answer = status ? tool.client().request("GET", path, "")
                               : tool.client().request("POST", path, json::serialize(request));
    if (!answer) return tool.report(answer.error());
    const auto state = json::parse(*answer);
    if (!state || !state->is_object()) {
      return tool.report(fail(ErrorKind::internal, "the server's answer is no JSON object"));
    }
    as_json ? tools::print_json(*answer + '\n') : tools::print(sentence(state->get_object()));
    return static_cast<int>(tools::kDone);
  });
}
