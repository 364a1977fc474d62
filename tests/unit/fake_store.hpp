// A store in memory that does what a test says: its writes fail, throw, or do not return until they may.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/store.hpp"

namespace smaster {

class FakeStore final : public store::FileStore {
 public:
  enum class Does { works, fails, throws, another_leads };

  /// What the next writes do, one after the other; those after them work.
  void next(std::deque<Does> outcomes) {
    const std::lock_guard lock(mutex_);
    outcomes_ = std::move(outcomes);
  }
  /// Writes wait from now on, until `go_on`.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    may_go_on_.notify_all();
  }
  /// The writes so far: "save abc abd", "remove abc", "history abc", "forget abc", "note target". Also those
  /// that failed.
  [[nodiscard]] std::vector<std::string> writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }
  [[nodiscard]] std::optional<fleet::ShardInfo> row(const ShardName& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = rows_.find(name);
    return found == rows_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] std::size_t rows() const {
    const std::lock_guard lock(mutex_);
    return rows_.size();
  }
  /// The number of the shard's blocks of statuses.
  [[nodiscard]] std::size_t blocks(const ShardName& name) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        blocks_.begin(), blocks_.end(), [&](const auto& block) { return block.first.first == name; }));
  }

  // store::Store
  Result<std::vector<fleet::ShardInfo>> load_registry() override {
    const std::lock_guard lock(mutex_);
    std::vector<fleet::ShardInfo> rows;
    for (const auto& [name, info] : rows_) rows.push_back(info);
    return rows;
  }
  Result<void> save(const std::vector<fleet::ShardInfo>& shards) override {
    std::string what = "save";
    for (const auto& info : shards) what += ' ' + info.id.str();
    return write(what, [&] {
      for (const auto& info : shards) rows_.insert_or_assign(info.id, info);
    });
  }
  Result<void> remove(const std::vector<ShardName>& shards) override {
    return write("remove" + text(shards), [&] {
      for (const auto& name : shards) rows_.erase(name);
    });
  }
  Result<std::vector<std::string>> notes() override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, text] : notes_) names.push_back(name);
    return names;
  }
  Result<std::string> load_note(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    return notes_[name];
  }
  Result<void> save_note(const std::string& name, const std::string& text) override {
    return write("note " + name, [&] { notes_[name] = text; });
  }

  // store::HistoryStore
  Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard, Time since) override {
    const std::lock_guard lock(mutex_);
    std::vector<fleet::SampleBlock> blocks;
    for (const auto& [key, block] : blocks_) {
      if (key.first == shard && block.last > since) blocks.push_back(block);
    }
    return blocks;
  }
  Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks, Time) override {
    std::string what = "history";
    for (const auto& block : blocks) what += ' ' + block.shard.str();
    return write(what, [&] {
      for (const auto& block : blocks) blocks_.insert_or_assign(std::pair(block.shard, block.first), block);
    });
  }
  Result<void> forget(const std::vector<ShardName>& shards) override {
    return write("forget" + text(shards), [&] {
      std::erase_if(blocks_, [&](const auto& block) {
        return std::find(shards.begin(), shards.end(), block.first.first) != shards.end();
      });
    });
  }
  Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery& query) override {
    const std::lock_guard lock(mutex_);
    std::vector<fleet::Event> events;
    for (const auto& event : events_) {
      if (query.matches(event)) events.push_back(event);
    }
    return events;
  }
  /// Not among `writes`: every change causes some.
  Result<void> save_events(const std::vector<fleet::Event>& events, Time, std::size_t) override {
    std::unique_lock lock(mutex_);
    may_go_on_.wait(lock, [this] { return !held_; });
    if (events_fail_) return fail(ErrorKind::unavailable, "no disk");
    events_.insert(events_.end(), events.begin(), events.end());
    return {};
  }
  void fail_events(bool fail) {
    const std::lock_guard lock(mutex_);
    events_fail_ = fail;
  }
  [[nodiscard]] std::vector<fleet::Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  static std::string text(const std::vector<ShardName>& names) {
    std::string text;
    for (const auto& name : names) text += ' ' + name.str();
    return text;
  }
  template <class Change>
  Result<void> write(std::string what, Change change) {
    std::unique_lock lock(mutex_);
    may_go_on_.wait(lock, [this] { return !held_; });
    writes_.push_back(std::move(what));
    auto does = Does::works;
    if (!outcomes_.empty()) {
      does = outcomes_.front();
      outcomes_.pop_front();
    }
    if (does == Does::fails) return fail(ErrorKind::unavailable, "no disk");
    if (does == Does::another_leads) return fail(ErrorKind::not_permitted, "another server leads");
    if (does == Does::throws) throw std::runtime_error("no memory");
    change();
    return {};
  }

  mutable std::mutex mutex_;
  std::condition_variable may_go_on_;
  bool held_ = false;
  bool events_fail_ = false;
  std::vector<fleet::Event> events_;
  std::deque<Does> outcomes_;
  std::vector<std::string> writes_;
  std::map<ShardName, fleet::ShardInfo> rows_;
  std::map<std::string, std::string> notes_;
  std::map<std::pair<ShardName, Time>, fleet::SampleBlock> blocks_;
};

}  // namespace smaster
