// The shards in their order: which are shown, which are marked, and the one under the cursor.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/shard_filter.hpp"
#include "watch/past.hpp"
#include "watch/snapshot.hpp"
#include "watch/text.hpp"

namespace smaster::watch {

/// A shard that a command is for.
struct Target {
  std::string name;
  std::vector<std::int64_t> ids;  ///< empty: it has none
};

class ShardList {
 public:
  ShardList(std::string sort, bool reverse) : sort_(std::move(sort)), reverse_(reverse) {}

  /// The cursor stays at its shard; on the first row it stays there, so that new trouble is seen.
  void update(std::shared_ptr<const Snapshot> snapshot);

  /// Shows only some shards: conditions as of --where, or words that a shard has in its name, state, host,
  /// address or cause; a number is a shard id. Empty: all. Errors: usage; the filter is then unchanged.
  Result<void> filter(const std::string& text);
  [[nodiscard]] const std::string& filter() const { return filter_; }
  [[nodiscard]] static bool is_condition(std::string_view text) {
    return text.find_first_of("=<>") != text.npos;
  }
  /// Shows only shards in the next state that there is; after the last one all.
  void next_state();
  void next_sort();
  void reverse();

  /// Moves the cursor; false if the key does not move. `height`: rows on the screen.
  bool key(char32_t key, std::size_t height);
  /// Moves the cursor to a shard id or name. Errors: not_found.
  Result<void> jump(const std::string& to);

  /// Marks the shard under the cursor, or takes its mark away, and moves on.
  void mark();
  /// Marks all that are shown.
  void mark_all();
  /// Returns false if none is marked.
  bool clear_marks();

  /// The marked shards, else the one under the cursor; sorted by id.
  [[nodiscard]] std::vector<Target> targets() const;
  /// The one under the cursor; nullopt if none is shown.
  [[nodiscard]] std::optional<Target> current() const;
  /// Number of marked shards that are not shown.
  [[nodiscard]] std::size_t hidden_marks() const;

  /// Appends the table: its head, and `height` - 1 rows. Returns the names of the shards in it.
  std::vector<std::string> draw(std::vector<Line>& screen, std::size_t width, std::size_t height,
                                const Past& past, std::int64_t now_ms, bool utf8);
  /// "1-20 of 2000, sorted by trouble".
  [[nodiscard]] std::string place() const;

 private:
  [[nodiscard]] const boost::json::object& row(std::size_t at) const;
  [[nodiscard]] std::string name(std::size_t at) const;
  [[nodiscard]] bool shows(const boost::json::object& shard) const;
  void arrange();
  void move_to(std::size_t at);

  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::size_t> order_;  ///< indices of the shards that are shown
  std::string sort_;
  bool reverse_;
  std::string filter_;
  std::vector<control::Condition> conditions_;  ///< of the filter; empty: it is words
  bool troubles_ = false;                       ///< one that is shown needs an operator
  std::set<std::string> marks_;
  std::size_t cursor_ = 0;
  std::string at_;  ///< the shard under the cursor
  std::size_t top_ = 0;
  std::size_t rows_ = 0;  ///< on the screen
};

}  // namespace smaster::watch
