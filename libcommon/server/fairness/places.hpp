// Limits how many answers of a kind are in progress, in total and per key: each holds memory until its reader
// has taken it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace smaster::server {

class Places {
 public:
  Places(std::size_t most, std::size_t most_each) : held_(std::make_shared<Held>(most, most_each)) {}

  /// Takes `amount` places, held until the last copy of the result is destroyed. Null if too few are free, in
  /// total or for the key.
  [[nodiscard]] std::shared_ptr<void> take(const std::string& key, std::size_t amount = 1) {
    auto& mine = held_->by_key[key];
    if (amount > held_->most - held_->all || amount > held_->most_each - mine) {
      if (mine == 0) held_->by_key.erase(key);
      return nullptr;
    }
    held_->all += amount;
    mine += amount;
    return {held_.get(), [held = held_, key, amount](void*) {
              held->all -= amount;
              if ((held->by_key[key] -= amount) == 0) held->by_key.erase(key);
            }};
  }

 private:
  struct Held {
    Held(std::size_t most_, std::size_t most_each_) : most(most_), most_each(most_each_) {}
    const std::size_t most;
    const std::size_t most_each;
    std::size_t all = 0;
    std::map<std::string, std::size_t> by_key;
  };
  std::shared_ptr<Held> held_;  ///< shared, since a place may outlive this
};

}  // namespace smaster::server
