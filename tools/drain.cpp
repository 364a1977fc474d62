// smaster drain: moves a host's shard ids to other hosts, and keeps it empty.
#include "follow.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("drain", "Move a host's shard ids to other hosts, and keep the host empty",
                   "  smaster drain fra1 --dry-run\n  smaster drain fra1 --yes --no-wait");
  std::string host;
  bool no_wait = false;
  tools::ChangeFlags flags;
  tool.app.add_option("HOST", host, "The host, by its agents' label")->required();
  tool.app.add_flag("--dry-run", flags.dry_run, "Only show the plan");
  tool.app.add_flag("--no-wait", no_wait, "Do not wait until the host is empty");
  tool.app.add_flag("--json", flags.as_json, "One JSON object a line");
  tool.add_yes_flag();
  tool.add_client_flags(Millis{3'600'000});
  return tool.run(argc, argv, [&] {
    flags.wait = !no_wait;
    const boost::json::object request{{"host", host}};
    return tools::follow_asked(tool, "/v1/drain", request, flags,
                               "The plan is carried out, and " + host +
                                   " gets no shard ids until \"smaster undrain " + host + "\".");
  });
}
