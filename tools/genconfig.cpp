// smaster genconfig: registers new shards and delivers their config files.
#include <boost/json/object.hpp>

#include "base/file.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

/// Handles one line of the response: returns the text for stdout, or an error.
Result<std::string> deliver(const bj::object& line, const std::string& out) {
  std::string text;
  json::read(line, "path", text);
  if (!text.empty()) return text;
  const auto config = json::serialize(line.at("config"));
  if (out == "-") return config;
  std::string name;
  json::read(line, "name", name);
  const auto path = std::filesystem::path(out) / ("shard_" + name + "_config.json");
  if (auto written = write_file(path, config + '\n', 0600, IfExists::refuse); !written) {
    // The private key exists only here: without its config, the registered shard is unusable.
    return fail(written.error().kind,
                written.error().message + "; shard " + name + " is registered without a config");
  }
  return path.string();
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("genconfig", "Register new shards and write a config file for each",
                   "  smaster genconfig --count 4\n  smaster genconfig --out - > shard.json");
  bool master = false;
  bool as_json = false;
  std::int64_t count = 1;
  std::string out;
  tool.app.add_flag("--master", master, "For the master shard, which is not on Discord");
  tool.app.add_option("--count", count, "How many")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  tool.app
      .add_option("--out", out,
                  "Folder to write to, or - for stdout (default: the server's <state_dir>/shards)")
      ->type_name("DIR|-");
  tool.app.add_flag("--json", as_json, "Print a JSON list of {name, path} or {name, config}");
  tool.add_client_flags(Millis{60'000});

  return tool.run(argc, argv, [&] {
    if (!out.empty() && out != "-") {
      if (auto made = make_private_folder(out); !made) return tool.report(made.error());
    }
    const bj::object request{{"master", master}, {"count", count}, {"inline", !out.empty()}};
    std::optional<Error> failed;
    bj::array list;
    std::int64_t made = 0;
    tools::Progress bar(count > 1);
    const auto done =
        tool.client().stream("POST", "/v1/genconfig", json::serialize(request), [&](std::string_view text) {
          const auto value = json::parse(text);
          if (!value || !value->is_object()) {
            failed = fail(ErrorKind::internal, "the server sent a line that is no object");
            return false;
          }
          auto line = value->get_object();
          if (const auto* error = line.if_contains("error"); error != nullptr) {
            failed = fail(ErrorKind::cannot_create, std::string(error->as_string()));
            return true;
          }
          const auto delivered = deliver(line, out);
          if (!delivered) {
            failed = delivered.error();
            return false;
          }
          ++made;
          if (as_json) {
            if (!out.empty() && out != "-") {
              line.erase("config");
              line["path"] = *delivered;
            }
            list.push_back(std::move(line));
          } else {
            bar.data_line(*delivered);
          }
          bar.update(made, count);
          return true;
        });
    bar.finish();
    if (as_json) tools::print_json(json::serialize(list) + '\n');
    if (!done) return tool.report(done.error());
    if (failed) {
      const int code = tool.report(*failed);
      return made > 0 ? static_cast<int>(tools::kPartly) : code;
    }
    return static_cast<int>(tools::kDone);
  });
}
