#include "follow.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <tuple>
#include <utility>

#include "control/render.hpp"
#include "json/json.hpp"
#include "terminal.hpp"

namespace smaster::tools {
namespace {

namespace bj = boost::json;

std::int64_t number(const bj::object& object, std::string_view key) {
  std::int64_t value = 0;
  json::read(object, key, value);
  return value;
}

std::string text(const bj::object& object, std::string_view key) {
  std::string value;
  json::read(object, key, value);
  return value;
}

/// An assignment such as "4,5 of 8"; "-" for none.
std::string assignment(const bj::object& move, std::string_view key) {
  const auto* const object = json::object_at(move, key);
  const auto* const ids = object == nullptr ? nullptr : object->if_contains("shards");
  if (ids == nullptr || !ids->is_array() || ids->get_array().empty()) return "-";
  std::string list;
  for (const auto& id : ids->get_array()) list += (list.empty() ? "" : ",") + json::serialize(id);
  return list + " of " + std::to_string(number(*object, "count"));
}

/// For ids that stay on a host.
constexpr const char* kMoreThere = "start more agents there";

/// What helps if ids find no place: `more`, and drained hosts may have some.
std::string place_words(const bj::object& plan, const std::string& more) {
  std::string hosts;
  if (const auto* const drained = json::object_at(plan, "drained_room")) {
    for (const auto& [host, room] : *drained) {
      hosts += (hosts.empty() ? "" : ", ") + std::string(host) + " for " + json::serialize(room);
    }
  }
  return hosts.empty() ? more
                       : more + ", or \"smaster undrain HOST\": drained hosts have room (" + hosts + ')';
}

/// `help`: place_words.
std::string stay_words(std::int64_t ids, const std::string& host, const std::string& help) {
  return std::to_string(ids) + (ids == 1 ? " shard id stays" : " shard ids stay") + " on host " + host +
         ": other hosts have no room; " + help;
}

void print_plan(const bj::object& plan) {
  const auto* const moves = plan.if_contains("moves");
  const auto& rows = moves != nullptr && moves->is_array() ? moves->get_array() : bj::array();
  const auto host = text(plan, "host");
  print_line((host.empty() ? "from " + std::to_string(number(plan, "from")) + " to " +
                                 std::to_string(number(plan, "to")) + " shards, " + text(plan, "strategy")
                           : "away from host " + host) +
             ": " + std::to_string(number(plan, "logins")) + " logins, " + seconds(number(plan, "takes_ms")) +
             " when every start takes 5 s");
  if (const auto unsure = number(plan, "unsure"); unsure > 0) {
    print_line(std::to_string(unsure) +
               " of these bots do not say when they are READY: each is taken for logged in " +
               seconds(number(plan, "unsure_ms")) + " after its start");
  }
  const auto missing = number(plan, "to") - number(plan, "up_in_the_end");
  if (missing > 0)
    print_line(std::to_string(missing) +
               " shard ids find no place: " + place_words(plan, "start more agents"));
  if (const auto stay = number(plan, "stay"); stay > 0)
    print_line(stay_words(stay, host, place_words(plan, kMoreThere)));
  if (rows.empty()) return print_line("nothing is to be done");
  std::vector<std::vector<std::string>> table{{"AT", "NAME", "HOST", "RUNS", "WILL RUN"}};
  for (const auto& row : rows) {
    if (!row.is_object()) continue;
    const auto& move = row.get_object();
    const auto at = text(move, "host");
    table.push_back({seconds(number(move, "at_ms")), text(move, "name"), at.empty() ? "-" : at,
                     assignment(move, "from"), assignment(move, "to")});
  }
  print_styled(control::render({std::move(table)}, look()));
}

std::string progress_words(const bj::object& progress) {
  const auto refused = number(progress, "refused");
  if (progress.contains("held")) {
    return std::to_string(number(progress, "held")) + " shard ids still on the host, " +
           std::to_string(number(progress, "moving")) + " shards starting, " +
           std::to_string(number(progress, "waiting")) + " waiting to log in";
  }
  return std::to_string(number(progress, "up")) + " of " + std::to_string(number(progress, "goal")) +
         " up, " + std::to_string(number(progress, "moving")) + " starting, " +
         std::to_string(number(progress, "waiting")) + " waiting to log in, " +
         std::to_string(number(progress, "old")) + " with ids of another count" +
         (refused > 0 ? ", " + std::to_string(refused) + " refused by Discord" : "");
}

/// The exit code and what went wrong, if anything.
std::pair<int, std::string> outcome(const bj::object& end, std::int64_t held, const std::string& host,
                                    const std::string& help) {
  const auto is = [&end](std::string_view key) {
    bool value = false;
    json::read(end, key, value);
    return value;
  };
  if (is("done")) return {kDone, ""};
  if (is("stay")) return {kPartly, stay_words(held, host, help)};
  if (is("replaced")) {
    return {kTimedOut, host.empty() ? "another goal was set meanwhile" : "the host was undrained meanwhile"};
  }
  if (is("refused")) {
    return {kPartly,
            "Discord refuses the bots that are missing; \"smaster stats\" and the server's log say why, "
            "\"smaster respawn\" tries them again"};
  }
  return {kTimedOut, "not done in time; it goes on"};
}

}  // namespace

void ChangeFlags::add_to(Tool& tool) {
  tool.app.add_flag("--dry-run", dry_run, "Only show the plan");
  tool.app.add_flag("--wait", wait, "Show the progress until it is done");
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_client_flags(Millis{3'600'000});
}

int follow_change(const Tool& tool, const std::string& path, bj::object request, const ChangeFlags& flags) {
  request["dry_run"] = flags.dry_run;
  request["wait"] = flags.wait;
  request["timeout_ms"] = tool.timeout.count();
  int code = kDone;
  std::string failure;
  std::string host;
  std::string help;
  std::int64_t held = 0;  ///< by a drained host, in the end
  std::int64_t most = 0;
  Progress bar(flags.wait && !flags.as_json);
  const auto show_progress = [&](const bj::object& at) {
    held = number(at, "held");
    most = std::max(most, held);
    if (flags.as_json) return;
    if (!bar.drawn()) return print_line(progress_words(at));
    at.contains("held") ? bar.update(most - held, most, progress_words(at))
                        : bar.update(number(at, "up"), number(at, "goal"), progress_words(at));
  };
  // The client's timeout is longer than the server's, which ends the wait.
  const auto done = control::Client(tool.socket, tool.timeout + Millis{60'000})
                        .stream("POST", path, json::serialize(request), [&](std::string_view line) {
                          const auto value = json::parse(line);
                          if (!value || !value->is_object()) return true;
                          const auto& object = value->get_object();
                          const auto* const plan = json::object_at(object, "plan");
                          if (flags.as_json && (plan == nullptr || !flags.plan_shown))
                            print_json(std::string(line) + '\n');
                          if (plan != nullptr) {
                            if (!flags.as_json && !flags.plan_shown) print_plan(*plan);
                            host = text(*plan, "host");
                            help = place_words(*plan, kMoreThere);
                            if (number(*plan, "stay") > 0) code = kPartly;
                          }
                          if (const auto* const at = json::object_at(object, "progress")) show_progress(*at);
                          if (const auto* const end = json::object_at(object, "end")) {
                            std::tie(code, failure) = outcome(*end, held, host, help);
                          }
                          if (object.contains("error")) {
                            code = kPartly;
                            failure = text(object, "error");
                          }
                          return true;
                        });
  bar.finish();
  if (!done) return tool.report(done.error());
  if (!failure.empty()) say("smaster: " + failure);
  return code;
}

int follow_asked(const Tool& tool, const std::string& path, const bj::object& request, ChangeFlags flags,
                 const std::string& question) {
  if (!tool.yes) {
    auto plan = flags;
    plan.dry_run = true;
    const auto shown = follow_change(tool, path, request, plan);
    if (flags.dry_run || (shown != kDone && shown != kPartly)) return shown;
    if (const auto refused = tool.confirm(question)) return *refused;
    flags.plan_shown = true;
  }
  return follow_change(tool, path, request, flags);
}

}  // namespace smaster::tools
