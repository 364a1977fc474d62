#include "server/checks/checks.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "checks/machine.hpp"
#include "fleet/identify.hpp"
#include "net/clock.hpp"
#include "net/descriptors.hpp"
#include "server/checks/fleet_look.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/goal.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

using checks::Check;
using checks::Finding;

std::string duration(Millis time) { return format_duration(std::chrono::ceil<std::chrono::seconds>(time)); }

/// The token, as far as Discord has judged it.
Finding check_token(const DiscordWatch& discord) {
  Check check("token");
  if (discord.trouble().empty()) return check.finding({});
  if (discord.refused()) {
    check.fail(discord.trouble(),
               "put the token that Discord's developer portal shows into shards.token_file");
  } else {
    check.fail(discord.trouble(), "correct shards.token_file, or the network to Discord (discord.api_base)");
  }
  return check.finding({});
}

/// Discord's limits against what the fleet needs.
Finding check_discord(const ChecksParts& parts) {
  Check check("discord");
  const auto& queue = parts.stats.sender.identify();
  if (!queue.limits_known()) return check.skipped("Discord's limits are not known");
  const auto& limits = *queue.limits();
  const auto goal = std::max<std::int64_t>(parts.stats.directory.goal().value, 0);
  const auto recommended = parts.stats.goal.recommended();
  const auto remaining = limits.remaining.value_or(0);
  const auto left = std::max<std::int64_t>(remaining - limits.reserve, 0);
  const auto in = duration(std::max(limits.reset_at - net::fleet_clock(), Millis{0}));
  const auto waiting = static_cast<std::int64_t>(queue.waiting());
  if (recommended.known() && recommended.value > goal) {
    check.warn("the goal is " + std::to_string(goal) + " shards, Discord recommends " +
                   std::to_string(recommended.value) +
                   ", and refuses shards with too many guilds (code 4011)",
               "smaster reshard " + std::to_string(recommended.value) + ", or shards.count = \"auto\"");
  }
  if (goal + limits.reserve > limits.total && limits.total > 0) {
    check.fail("a start of all " + std::to_string(goal) + " shards needs more than the " +
                   std::to_string(limits.total) + " logins that Discord allows in a day, " +
                   std::to_string(limits.reserve) + " of them reserved",
               "a smaller goal, or ask Discord for a larger limit");
  } else if (waiting > left) {
    check.fail(
        std::to_string(waiting) + " logins wait, and " + std::to_string(left) + " are left for the next " +
            in,
        "wait, or lower discord.identify_reserve (" + std::to_string(limits.reserve) + " are reserved)");
  } else if (goal > left) {
    check.warn("a restart of all " + std::to_string(goal) + " shards needs more logins than the " +
                   std::to_string(left) + " that are left for the next " + in,
               "restart no more than that until then");
  }
  return check.finding(std::to_string(left) + " logins are left for the next " + in + ", " +
                       std::to_string(limits.max_concurrency) + " at a time");
}

Finding check_descriptors(const StatsParts& parts, std::int64_t known) {
  Check check("descriptors");
  const auto room = static_cast<std::int64_t>(parts.descriptors.limits().of(net::Share::shards));
  const auto total = parts.descriptors.limits().total;
  const auto needed = std::max<std::int64_t>(parts.directory.goal().value, known);
  const auto* const remedy = "raise LimitNOFILE= in the unit (systemctl edit smaster), or ulimit -n";
  if (needed > room) {
    check.fail("the limit of " + std::to_string(total) + " descriptors has room for " + std::to_string(room) +
                   " shards, and there are " + std::to_string(needed),
               remedy);
  }
  if (const auto trouble = parts.descriptors.trouble(); !trouble.empty()) check.fail(trouble, remedy);
  return check.finding("room for " + std::to_string(room) + " shards");
}

Finding check_store(const StoreThread& store) {
  Check check("store");
  if (!store.trouble().empty()) {
    check.fail(store.trouble(), "free or repair the disk or database; new shards and ids wait until then");
  }
  return check.finding("the registry and the history are written");
}

Finding check_mail(const ChecksParts& parts) {
  Check check("mail");
  const auto& alerts = parts.settings.alerts;
  if (!parts.alerts_trouble.empty()) {
    check.fail("alerts are not delivered: " + parts.alerts_trouble, "look at [alerts] webhooks and command");
  }
  const bool others = !alerts.webhooks.empty() || !alerts.command.empty();
  if (!parts.settings.mail_enabled && !others) {
    return check.skipped("no mail and no webhook: nobody is told of failures");
  }
  if (!parts.mail.trouble().empty()) {
    check.fail(parts.mail.trouble(), "try mail.command with its arguments by hand, as the server's user");
  }
  return check.finding("nothing has been refused by mail, webhooks or program");
}

/// Handshakes that were refused lately. Strangers can cause these, too, so they are warnings.
std::vector<Finding> check_handshakes(const Refusals& refusals, const Settings& settings) {
  const auto now = net::fleet_clock();
  Check clock("clock");
  Check check("handshakes");
  const auto words = [](const Refusals::Refusal& refusal) {
    return (refusal.count > 1
                ? std::to_string(refusal.count) + " handshakes were refused lately, the last since "
                : std::string("a handshake was refused lately, since ")) +
           refusal.why;
  };
  if (const auto* const refusal = refusals.recent("clock", now)) {
    clock.warn(words(*refusal), "set the clock of that host by NTP: timedatectl set-ntp true");
  }
  if (const auto* const refusal = refusals.recent("refused", now)) {
    check.warn(words(*refusal), "if it is a host of yours, make a new config: smaster genconfig");
  }
  if (const auto* const refusal = refusals.recent("replayed", now)) {
    check.warn(words(*refusal), "look for a second program with that config");
  }
  if (const auto* const refusal = refusals.recent("too_many", now)) {
    check.warn(words(*refusal),
               "if these are shards behind one proxy, name it in server.trusted_proxies; else raise "
               "limits.conn_count (" +
                   std::to_string(settings.conn_count) + ")");
  }
  std::vector<Finding> findings{check.finding("none was refused in the last " + duration(Refusals::kRecent))};
  if (!clock.well()) findings.push_back(clock.finding({}));
  return findings;
}

net::Task<std::vector<Finding>> check_cluster(Candidacy& candidacy, PeerLink& peers) {
  Check check("cluster");
  Check versions("versions");
  const auto members = co_await candidacy.members();
  if (!members) {
    check.fail(members.error().message, "look at the store: etcdctl endpoint health, or the database");
  } else if (members->size() < 2) {
    check.warn("no other server stands by", "start a second one with the same [store] url");
  }
  for (std::size_t i = 0; members && i < members->size(); ++i) {
    const auto& member = (*members)[i];
    if (member.version != SMASTER_VERSION) {
      versions.warn("the server " + member.name + " is " + member.version + ", this one " SMASTER_VERSION,
                    "install the same version there, then smaster reboot --master");
    }
    if (member.name == candidacy.self().name) continue;
    const auto lag = co_await peers.lag(member);
    if (!lag)
      check.fail(member.name + " is unreachable: " + lag.error().message,
                 "look at that server: systemctl status smaster");
  }
  std::vector<Finding> findings{
      check.finding(std::to_string(members ? members->size() : 0) + " servers, all reachable")};
  if (!versions.well()) findings.push_back(versions.finding({}));
  co_return findings;
}

/// Adds what may repeat a check of the machine or the fleet; a good result adds nothing to those.
void add_problem(std::vector<Finding>& findings, Finding finding) {
  if (!finding.remedy.empty()) checks::add(findings, std::move(finding));
}

}  // namespace

net::Task<std::vector<Finding>> check_server(const ChecksParts& parts, ChecksOfServer server) {
  const auto& stats = parts.stats;
  const FleetLook::Clocks now{net::wall_clock(), net::fleet_clock(), net::now()};
  FleetLook look(stats.directory.goal(), now);
  std::int64_t known = 0;
  {
    Slice slice(stats.slices, kForOperators);
    co_await slice.next();
    co_await in_slices(stats.directory.shards(), slice, [&](const auto& entry) {
      const auto& shard = entry.second;
      ++known;
      look.add(shard, stats.plans.state(shard), shard.session != nullptr ? shard.session->address() : "");
    });
  }
  const auto settings = parts.settings;  // they may be reloaded meanwhile
  const auto file = parts.settings_file;
  const auto machine = [&] {
    auto found = checks::check_machine(settings, file, now.wall);
    found.push_back(checks::check_limits(checks::own_group()));
    return found;
  };
  auto findings = co_await net::run_in(parts.pool, machine);
  for (auto& finding : look.findings()) checks::add(findings, std::move(finding));
  checks::add(findings, look.check_goal(parts.settings.count_auto));
  const auto& queue = stats.sender.identify();
  const auto login = queue.waiting() > 0 ? queue.next(net::fleet_clock()) : std::nullopt;
  checks::add(findings,
              look.check_reshard(stats.plans.progress(),
                                 login ? std::optional(*login - net::fleet_clock()) : std::nullopt));
  if (server.discord != nullptr) add_problem(findings, check_token(*server.discord));
  checks::add(findings, check_discord(parts));
  checks::add(findings, check_descriptors(stats, known));
  checks::add(findings, check_store(parts.store));
  checks::add(findings, check_mail(parts));
  for (auto& finding : check_handshakes(parts.refusals, parts.settings)) {
    finding.check == "clock" ? add_problem(findings, std::move(finding))
                             : checks::add(findings, std::move(finding));
  }
  if (server.candidacy != nullptr && server.peers != nullptr) {
    auto cluster = co_await check_cluster(*server.candidacy, *server.peers);
    for (auto& finding : cluster) checks::add(findings, std::move(finding));
  }
  co_return findings;
}

}  // namespace smaster::server
