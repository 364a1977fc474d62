// A queue in which one who asks much does not make others wait: each key's items are in order, and the keys
// take turns. Bounded. No clock and no thread here.
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
  /// `most`: items of all keys together; `most_each`: of one key.
  FairQueue(std::size_t most, std::size_t most_each) : most_(most), most_each_(most_each) {}

  /// False when it is full, or has enough of this key.
  bool push(const std::string& key, Item item) {
    if (size_ >= most_) return false;
    auto& items = by_key_[key];
    if (items.size() >= most_each_) return false;
    if (items.empty()) turns_.push_back(key);
    items.push_back(std::move(item));
    ++size_;
    return true;
  }

  /// The next key's first item; that key is last then.
  std::optional<Item> pop() {
    return pop([](const std::string&) { return true; });
  }

  /// The same, passing over keys that `may` says no to.
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
  std::deque<std::string> turns_;  ///< the keys that have items, next first
};

}  // namespace smaster
