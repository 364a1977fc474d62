// Which kinds of bot ask before they log in: where several bots of one program do, the others will, too, and
// their processes need not wait for a turn. A single bot may say of itself what it wants: it makes one other
// try. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/types.hpp"

namespace smaster::fleet {

class AskingKinds {
 public:
  /// Number of shards whose bots must have asked before the others of their kind are believed to.
  static constexpr std::size_t kEnough = 2;

  /// The shard's bot, of this kind, asks. True if others of the kind may be believed, or tried, from now on.
  bool add(const ShardName& shard, const std::string& kind) {
    end_trial(shard);
    if (kind.empty()) return false;
    const auto [at, fresh] = by_shard_.try_emplace(shard, kind);
    if (!fresh && at->second == kind) return false;
    if (!fresh) forget(at->second);
    at->second = kind;
    return ++counts_[kind] <= kEnough;
  }
  /// The shard was removed, or its bot does not ask any more.
  void remove(const ShardName& shard) {
    end_trial(shard);
    const auto found = by_shard_.find(shard);
    if (found == by_shard_.end()) return;
    forget(found->second);
    by_shard_.erase(found);
  }
  /// True if the shard's bot, of this kind, will ask, as far as others show.
  [[nodiscard]] bool believes(const ShardName& shard, const std::string& kind) const {
    if (count(kind) >= kEnough) return true;
    const auto trial = trials_.find(kind);
    return trial != trials_.end() && trial->second == shard;
  }
  /// Lets the shard's bot try whether it asks, too, if one of its kind does and no other is trying.
  void try_one(const ShardName& shard, const std::string& kind) {
    if (count(kind) > 0) trials_.try_emplace(kind, shard);
  }
  /// The shard has left.
  void end_trial(const ShardName& shard) {
    std::erase_if(trials_, [&shard](const auto& trial) { return trial.second == shard; });
  }

 private:
  [[nodiscard]] std::size_t count(const std::string& kind) const {
    const auto found = counts_.find(kind);
    return found == counts_.end() ? 0 : found->second;
  }
  void forget(const std::string& kind) {
    const auto found = counts_.find(kind);
    if (--found->second == 0) counts_.erase(found);
  }

  std::map<ShardName, std::string> by_shard_;
  std::map<std::string, std::size_t> counts_;  ///< shards by kind
  std::map<std::string, ShardName> trials_;    ///< by kind, until the shard has proved something
};

}  // namespace smaster::fleet
