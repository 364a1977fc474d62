// Words of the view that do not depend on its state.
#include <algorithm>
#include <set>

#include "control/select.hpp"
#include "json/json.hpp"
#include "watch/view.hpp"

namespace smaster::watch {

std::string describe(const std::vector<Target>& targets) {
  constexpr std::size_t kNamed = 5;
  auto words = targets.size() == 1 ? std::string("shard ") : std::to_string(targets.size()) + " shards: ";
  for (std::size_t i = 0; i < std::min(targets.size(), kNamed); ++i) {
    const auto& target = targets[i];
    const auto ids = id_list({target});
    words += (i > 0 ? ", " : "") + (ids.empty() ? target.name : ids + " (" + target.name + ')');
  }
  return targets.size() > kNamed ? words + " and " + std::to_string(targets.size() - kNamed) + " more"
                                 : words;
}

std::string id_list(const std::vector<Target>& targets) {
  std::vector<std::int64_t> ids;
  for (const auto& target : targets) ids.insert(ids.end(), target.ids.begin(), target.ids.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string list;
  for (std::size_t begin = 0; begin < ids.size();) {
    auto end = begin + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    list += (list.empty() ? "" : ",") + std::to_string(ids[begin]);
    if (end - begin > 1) list += (end - begin > 2 ? "-" : ",") + std::to_string(ids[end - 1]);
    begin = end;
  }
  return list;
}

std::string unassigned_ids(const Snapshot& snapshot) {
  std::set<std::int64_t> ids;
  double rows = 0;
  for (const auto& each : snapshot.shards()) {
    const auto& shard = each.get_object();
    bool master = false;
    json::read(shard, "isMaster", master);
    if (master) continue;
    ++rows;
    for (const auto id : control::ids_of(shard)) {
      if (id >= 0) ids.insert(id);
    }
  }
  const auto goal =
      static_cast<std::size_t>(std::max(0.0, control::number(snapshot.stats.if_contains("goal"))));
  if (rows < control::number(snapshot.stats.if_contains("known")) || ids.size() >= goal) return {};
  return std::to_string(goal - ids.size()) + " of " + std::to_string(goal) +
         " shard ids have no shard: start more agents; \"smaster doctor\" says more";
}

std::string help_text() {
  return R"(The list of shards; those in trouble come first
  Up Down j k            move; PageUp PageDown, g and G (or Home and End) go further
  Enter                  all about the shard: its bot, gateway, last lines, events, and what helps
  l                      logs of its bot, as they come
  e   E                  events of the shard; of the whole fleet
  r                      respawn: asks first, then shows the progress
  x                      eval: asks for a script, and shows the answers
  space   a              mark the shard; mark all that are shown
                         l, r and x are for the marked shards if there are any, e for the first
  Esc                    takes the marks away, then the filter

  /                      filter: words (a number is a shard id), or conditions as those of --where:
                         state=offline  stats.ping>200,host=fra1  stats.bot.deaths>3
  f                      only the shards in the next state that there is; then all
  :                      jump to a shard id or name
  s   R                  sort by the next column; the other way round
  !                      what is wrong with the fleet and the server, and the queue of logins

A page, such as this
  Up Down j k            scroll; PageUp PageDown, space and b, g and G go further
  f                      follow: stay at the end of what comes; logs that have ended begin anew
  /                      only lines with these words; Esc shows all again
  q   Esc                back

  q                      quits the list, and so the view; so does Ctrl-C
)";
}

}  // namespace smaster::watch
