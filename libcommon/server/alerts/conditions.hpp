// What is wrong with the fleet at this moment, as conditions for AlertBook.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/descriptors.hpp"
#include "server/events/alert_book.hpp"
#include "server/fairness/slices.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Conditions {
 public:
  struct Parts {
    const Settings& settings;
    const Directory& directory;
    const Plans& plans;
    const OrderSender& sender;
    const StoreThread& store;
    const net::Descriptors& descriptors;
    Slices& slices;
  };
  explicit Conditions(const Parts& parts) : parts_(parts) {}

  /// Looks at all shards, in slices.
  net::Task<std::vector<AlertCondition>> look();
  /// Ids of the goal, and those of them that have no running bot, at the last look.
  [[nodiscard]] std::size_t ids() const { return ids_; }
  [[nodiscard]] std::size_t ids_down() const { return down_since_.size(); }
  /// True for an id that is not of the goal, or had a running bot at the last look.
  [[nodiscard]] bool is_up(ShardId id) const { return !down_since_.contains(id.value); }

 private:
  const Parts parts_;
  std::unordered_map<std::int32_t, Time> down_since_;  ///< ids of the goal without a running bot
  std::size_t ids_ = 0;
};

}  // namespace smaster::server
