#include "server/reboot.hpp"

#include <spdlog/spdlog.h>

#include <set>

#include "base/text.hpp"
#include "server/core.hpp"

namespace smaster::server {
namespace {

Error malformed(std::string_view text) {
  return fail(ErrorKind::bad_data,
              "\"" + std::string(text.substr(0, 100)) +
                  "\" is no reboot request: there are \"reboot master\", \"reboot hard\" "
                  "and \"reboot [ID ...] [force]\"");
}

/// Those that the request is about, each once, however many ids it has.
std::vector<Shard*> chosen(Core& core, const Reboot& request) {
  std::vector<Shard*> shards;
  if (!request.ids) {
    const bool also_idle = request.what == Reboot::What::all;
    for (auto& [name, shard] : core.fleet.shards()) {
      if (also_idle || shard.info.is_master || shard.info.goal.bound()) shards.push_back(&shard);
    }
    return shards;
  }
  const auto by_id = core.fleet.by_id();
  std::set<const Shard*> seen;
  for (const auto id : *request.ids) {
    const auto at = by_id.find(id);
    if (at != by_id.end() && seen.insert(at->second).second) shards.push_back(at->second);
  }
  return shards;
}

}  // namespace

Result<Reboot> parse_reboot(std::string_view text) {
  const auto words = split(text, ' ');
  if (words.empty() || words.front() != "reboot") return malformed(text);
  Reboot request;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto word = words[i];
    const bool first = i == 1;
    if (word == "master" && first && words.size() == 2) {
      request.what = Reboot::What::master;
    } else if (word == "hard" && first) {
      request.what = Reboot::What::all;
    } else if (word == "force") {
      if (request.what == Reboot::What::bots) request.what = Reboot::What::programs;
    } else if (const auto id = parse_int<std::int32_t>(word);
               id && *id >= 0 && request.what != Reboot::What::all) {
      if (!request.ids) request.ids.emplace();
      request.ids->push_back(ShardId{*id});
    } else {
      return malformed(text);
    }
  }
  return request;
}

std::vector<Rebooted> reboot(Core& core, const Reboot& request) {
  std::vector<Rebooted> rebooted;
  if (request.what != Reboot::What::master) {
    for (auto* const shard : chosen(core, request)) {
      rebooted.push_back({shard->info.goal.first(), shard->info.id, shard->connected});
      if (!shard->connected) continue;
      if (request.what == Reboot::What::bots) {
        core.fleet.reboot(*shard);
      } else {
        core.fleet.exit(*shard);
      }
    }
    const auto by_id = core.fleet.by_id();
    for (const auto id : request.ids.value_or(std::vector<ShardId>{})) {
      if (!by_id.contains(id)) rebooted.push_back({id, std::nullopt, false});
    }
    std::size_t told = 0;
    for (const auto& shard : rebooted) told += shard.told ? 1 : 0;
    spdlog::info("{} of {} shards are told to {}", told, rebooted.size(),
                 request.what == Reboot::What::bots ? "restart their bots" : "exit");
  }
  if (request.what == Reboot::What::all || request.what == Reboot::What::master) core.restart();
  return rebooted;
}

}  // namespace smaster::server
