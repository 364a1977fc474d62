#include "server/requests/reboot.hpp"

#include <spdlog/spdlog.h>

#include <set>

#include "base/text.hpp"

namespace smaster::server {
namespace {

/// Maximum number of ids in a request.
constexpr std::size_t kMostIds = 10'000;

Error malformed(std::string_view text) {
  return fail(ErrorKind::bad_data,
              "\"" + std::string(text.substr(0, 100)) +
                  "\" is no reboot request: there are \"reboot master\", \"reboot hard\" "
                  "and \"reboot [ID ...] [force]\"");
}

struct Chosen {
  std::vector<ShardName> shards;  ///< each once, however many ids it has
  std::vector<ShardId> nobodys;   ///< requested ids that no shard has
};

net::Task<Chosen> choose(const RebootParts& parts, const Reboot& request, Slice& slice) {
  Chosen chosen;
  if (!request.ids) {
    const bool also_idle = request.what == Reboot::What::all;
    co_await in_slices(parts.directory.shards(), slice, [&](const auto& entry) {
      const auto& info = entry.second.info;
      if (also_idle || info.is_master || info.goal.bound()) chosen.shards.push_back(info.id);
    });
    co_return chosen;
  }
  std::set<ShardName> seen;
  for (const auto id : *request.ids) {
    if (slice.over()) co_await slice.next();
    const auto* const holder = parts.directory.holder(id);
    if (holder == nullptr) {
      chosen.nobodys.push_back(id);
    } else if (seen.insert(holder->info.id).second) {
      chosen.shards.push_back(holder->info.id);
    }
  }
  co_return chosen;
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
      if (request.ids->size() >= kMostIds) return malformed(text);
      request.ids->push_back(ShardId{*id});
    } else {
      return malformed(text);
    }
  }
  return request;
}

net::Task<std::vector<Rebooted>> reboot(const RebootParts& parts, Reboot request) {
  std::vector<Rebooted> rebooted;
  if (request.what != Reboot::What::master) {
    Slice slice(parts.slices, kForOperators);
    co_await slice.next();
    const auto chosen = co_await choose(parts, request, slice);
    for (const auto& name : chosen.shards) {
      if (slice.over()) co_await slice.next();
      auto* const shard = parts.directory.find(name);
      if (shard == nullptr) continue;
      rebooted.push_back({shard->info.goal.first(), shard->info.id, shard->connected()});
      if (!shard->connected()) continue;
      if (request.what == Reboot::What::bots) {
        parts.sender.reboot(*shard);
      } else {
        parts.sender.exit(*shard);
      }
    }
    for (const auto id : chosen.nobodys) rebooted.push_back({id, std::nullopt, false});
    std::size_t told = 0;
    for (const auto& shard : rebooted) told += shard.told ? 1 : 0;
    spdlog::info("{} of {} shards are told to {}", told, rebooted.size(),
                 request.what == Reboot::What::bots ? "restart their bots" : "exit");
  }
  if (request.what == Reboot::What::all || request.what == Reboot::What::master) parts.restart();
  co_return rebooted;
}

}  // namespace smaster::server
