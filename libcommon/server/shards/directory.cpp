#include "server/shards/directory.hpp"

#include <algorithm>
#include <utility>

#include "server/shards/shard_session.hpp"

namespace smaster::server {

Shard* Directory::find(const ShardName& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second;
}

std::set<ShardName> Directory::processes_of(const ShardName& name) const {
  const auto own = name.process(0);
  std::set<ShardName> names;
  if (index_.contains(own)) names.insert(own);
  if (const auto found = processes_.find(own); found != processes_.end()) {
    names.insert(found->second.begin(), found->second.end());
  }
  return names;
}

Shard* Directory::holder(ShardId id) const {
  const auto found = id.value < goal().value ? holders_.find(id.value) : holders_.end();
  if (found == holders_.end()) return nullptr;
  return *std::min_element(found->second.begin(), found->second.end(),
                           [this](const Shard* a, const Shard* b) {
                             const bool old_a = a->listed.count != goal(), old_b = b->listed.count != goal();
                             return old_a != old_b ? old_b : a->info.id < b->info.id;
                           });
}

const Shard* Directory::live_master() const {
  for (const auto& name : masters_) {
    const auto* const shard = index_.at(name);
    if (shard->session != nullptr) return shard;
  }
  return nullptr;
}

Result<Reservation> Directory::reserve(const ShardName& name) {
  const auto* const shard = find(name);
  if (shard == nullptr) return fail(ErrorKind::not_found, "no shard is named " + name.str());
  Reservation reservation({name, ++connections_}, shard->registration);
  if (!shard->info.is_master) return reservation;
  const auto* const live = live_master();
  auto admitted = master_.lock();
  if ((live != nullptr && live != shard) || (admitted && *admitted != name)) {
    return fail(ErrorKind::not_permitted, live != nullptr && live != shard
                                              ? live->info.id.str() + " is connected"
                                              : admitted->str() + " is connecting");
  }
  // All reservations of one master shard share the claim, whichever ends first.
  reservation.master = admitted ? std::move(admitted) : std::make_shared<const ShardName>(name);
  master_ = reservation.master;
  return reservation;
}

ShardSession* Directory::session(const ShardRef& ref) const {
  const auto* const shard = find(ref.name);
  const bool there = shard != nullptr && shard->session != nullptr;
  return there && shard->session->ref().connection == ref.connection ? shard->session : nullptr;
}

std::vector<ShardId> Directory::all_ids() const {
  std::vector<ShardId> ids;
  for (std::int32_t id = 0; id < goal_.value; ++id) ids.push_back(ShardId{id});
  return ids;
}

Shard* Directory::insert(fleet::ShardInfo info) {
  const auto name = info.id;
  if (index_.contains(name)) return nullptr;
  auto& shard = shards_.emplace(name, std::move(info)).first->second;
  shard.registration = ++registrations_;
  index_.emplace(name, &shard);
  list(shard);
  if (shard.info.is_master) masters_.insert(name);
  if (counts_as_registered(shard)) ++registered_;
  if (name.is_further()) processes_[name.process(0)].insert(name);
  return &shard;
}

void Directory::list(Shard& shard) {
  for (const auto id : shard.listed.ids) {
    const auto at = holders_.find(id.value);
    std::erase(at->second, &shard);
    if (at->second.empty()) holders_.erase(at);
  }
  shard.listed = shard.info.is_master ? fleet::Assignment{} : shard.info.goal;
  for (const auto id : shard.listed.ids) holders_[id.value].push_back(&shard);
}

bool Directory::counts_as_registered(const Shard& shard) {
  return !shard.info.is_master && shard.info.registered();
}

void Directory::heard(Shard& shard, Time now) {
  const bool before = counts_as_registered(shard);
  shard.info.last_seen = now;
  if (!before && counts_as_registered(shard)) ++registered_;
}

std::set<ShardName> Directory::take_processes(const ShardName& name) {
  const auto node = processes_.extract(name);
  return node.empty() ? std::set<ShardName>() : std::move(node.mapped());
}

void Directory::erase(Shard& shard) {
  const auto name = shard.info.id;
  if (const auto own = processes_.find(name.process(0)); own != processes_.end()) own->second.erase(name);
  shard.info.goal = {};
  list(shard);
  masters_.erase(name);
  if (counts_as_registered(shard)) --registered_;
  index_.erase(name);
  shards_.erase(name);
}

}  // namespace smaster::server
