// A fair queue: items are in order per key, and the keys take turns, so that a busy key does not delay
// others. Bounded. No clock and no thread here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace smaster {

template <class Item>
class FairQueue {
 public:
  /// `most`: maximum number of items; `most_each`: the same per key.
  FairQueue(std::size_t most, std::size_t most_each) : most_(most), most_each_(most_each) {}

  /// Returns false if the queue, or this key's part of it, is full.
  bool push(const std::string& key, Item item) {
    if (size_ >= most_) return false;
    auto& items = by_key_[key];
    if (items.size() >= most_each_) return false;
    if (items.empty()) turns_.push_back(key);
    items.push_back(std::move(item));
    ++size_;
    return true;
  }

  /// Removes the first item of the next key; that key is then the last in turn. nullopt if empty.
  std::optional<Item> pop() {
    return pop([](const std::string&) { return true; });
  }

  /// The same, skipping keys for which `may` returns false.
  template <class May>
  std::optional<Item> pop(May may) {
    const auto turn = std::find_if(turns_.begin(), turns_.end(), may);
    if (turn == turns_.end()) return std::nullopt;
    auto key = std::move(*turn);
    turns_.erase(turn);
    const auto found = by_key_.find(key);
    std::optional<Item> item(std::move(found->second.front()));
    found->second.pop_front();
    --size_;
    if (found->second.empty()) {
      by_key_.erase(found);
    } else {
      turns_.push_back(std::move(key));
    }
    return item;
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  const std::size_t most_;
  const std::size_t most_each_;
  std::size_t size_ = 0;
  std::unordered_map<std::string, std::deque<Item>> by_key_;
  std::deque<std::string> turns_;  ///< the keys that have items, next one first
};

}  // namespace smaster
