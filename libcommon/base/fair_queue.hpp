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

  /// Returns the item that has no room: this one if its key's part is full; if the queue is, the last one of
  /// the key that has most. nullopt: there was room.
  std::optional<Item> push(const std::string& key, Item item) {
    auto& items = by_key_[key];
    if (items.size() >= most_each_) return item;
    if (items.empty()) turns_.push_back(key);
    items.push_back(std::move(item));
    return ++size_ > most_ ? std::optional(remove_last_of_most()) : std::nullopt;
  }

  /// Removes the items of a key for which `which` returns true.
  template <class Which>
  std::deque<Item> remove(const std::string& key, Which which) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return {};
    std::deque<Item> removed;
    std::deque<Item> kept;
    for (auto& item : found->second) (which(item) ? removed : kept).push_back(std::move(item));
    found->second = std::move(kept);
    if (found->second.empty()) forget(found);
    size_ -= removed.size();
    return removed;
  }
  std::deque<Item> remove(const std::string& key) {
    return remove(key, [](const Item&) { return true; });
  }

  /// Removes the first item of the next key; that key is then the last in turn. nullopt if empty.
  std::optional<Item> pop() {
    return pop([](const std::string&) { return true; });
  }

  /// The same, skipping keys for which `may` returns false. The key that the last item was of comes after all
  /// others, also those that came after its next item: while that item is at work, it has had its turn.
  template <class May>
  std::optional<Item> pop(May may) {
    const auto other = [&](const std::string& key) { return key != last_ && may(key); };
    auto turn = std::find_if(turns_.begin(), turns_.end(), other);
    if (turn == turns_.end()) turn = std::find_if(turns_.begin(), turns_.end(), may);
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
      turns_.push_back(key);
    }
    last_ = std::move(key);
    return item;
  }

  /// Notes a turn that was not queued for: the key comes after all others at the next pop().
  void took(const std::string& key) { last_ = key; }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  using ByKey = std::unordered_map<std::string, std::deque<Item>>;

  void forget(typename ByKey::iterator at) {
    turns_.erase(std::find(turns_.begin(), turns_.end(), at->first));
    by_key_.erase(at);
  }

  Item remove_last_of_most() {
    const auto found = std::max_element(by_key_.begin(), by_key_.end(), [](const auto& a, const auto& b) {
      return a.second.size() < b.second.size();
    });
    Item item = std::move(found->second.back());
    found->second.pop_back();
    --size_;
    if (found->second.empty()) forget(found);
    return item;
  }

  const std::size_t most_;
  const std::size_t most_each_;
  std::size_t size_ = 0;
  ByKey by_key_;
  std::deque<std::string> turns_;  ///< the keys that have items, next one first
  std::string last_;               ///< the key that had the last turn
};

}  // namespace smaster
