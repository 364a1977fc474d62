#include "watch/shard_list.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "control/select.hpp"
#include "control/shard_filter.hpp"
#include "json/json.hpp"
#include "watch/keys.hpp"
#include "watch/pager.hpp"
#include "watch/why.hpp"

namespace smaster::watch {
namespace {

namespace bj = boost::json;

std::string word(const bj::object& shard, std::string_view key) {
  return std::string(control::text(shard.if_contains(key)));
}

Target target_of(const bj::object& shard) {
  auto ids = control::ids_of(shard);
  std::erase_if(ids, [](std::int64_t id) { return id < 0; });
  return {word(shard, "id"), std::move(ids)};
}

bool has_id(const bj::object& shard, std::int64_t id) {
  const auto ids = control::ids_of(shard);
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

const bj::object& ShardList::row(std::size_t at) const {
  return snapshot_->shards()[order_[at]].get_object();
}

std::string ShardList::name(std::size_t at) const { return word(row(at), "id"); }

void ShardList::update(std::shared_ptr<const Snapshot> snapshot) {
  snapshot_ = std::move(snapshot);
  std::set<std::string> marked;
  for (const auto& each : snapshot_->shards()) {
    if (marks_.empty()) break;
    if (auto name = word(each.get_object(), "id"); marks_.contains(name)) marked.insert(std::move(name));
  }
  marks_ = std::move(marked);
  arrange();
}

bool ShardList::shows(const bj::object& shard) const {
  if (filter_.empty()) return true;
  if (!conditions_.empty()) return control::fulfils(shard, conditions_);
  const auto text = word(shard, "id") + ' ' + word(shard, "state") + ' ' + word(shard, "host") + ' ' +
                    word(shard, "address") + ' ' + why(shard, snapshot_->at_ms);
  const auto words = split(filter_, ' ');
  return std::all_of(words.begin(), words.end(), [&](std::string_view each) {
    const auto id = parse_int<std::int64_t>(each);
    return id ? has_id(shard, *id) : has_words(text, each);
  });
}

void ShardList::arrange() {
  order_.clear();
  troubles_ = false;
  if (!snapshot_) return;
  const auto& shards = snapshot_->shards();
  for (const auto index : control::sorted_order(shards, sort_, reverse_)) {
    const auto& shard = shards[index].get_object();
    if (!shows(shard)) continue;
    order_.push_back(index);
    troubles_ = troubles_ || control::severity(shard) >= control::kTrouble;
  }
  if (cursor_ > 0) {
    for (std::size_t at = 0; at < order_.size(); ++at) {
      if (name(at) == at_) return move_to(at);
    }
  }
  move_to(cursor_);
}

void ShardList::move_to(std::size_t at) {
  cursor_ = std::min(at, order_.empty() ? 0 : order_.size() - 1);
  at_ = order_.empty() ? std::string() : name(cursor_);
}

Result<void> ShardList::filter(const std::string& text) {
  std::vector<control::Condition> conditions;
  if (is_condition(text)) {
    auto parsed = control::parse_where(text);
    if (!parsed) return fail(ErrorKind::usage, "the filter " + parsed.error().message);
    conditions = std::move(*parsed);
    const auto& shards = snapshot_->shards();
    for (const auto& condition : conditions) {
      const auto has = [&](const bj::value& shard) {
        return control::has_field(shard.get_object(), condition.path);
      };
      if (!shards.empty() && std::none_of(shards.begin(), shards.end(), has))
        return control::unknown_field(condition.path);
    }
  }
  filter_ = std::string(trim(text));
  conditions_ = std::move(conditions);
  cursor_ = 0;
  arrange();
  return {};
}

void ShardList::next_state() {
  constexpr std::string_view kState = "state=";
  std::set<std::string> states;
  for (const auto& shard : snapshot_->shards()) states.insert(word(shard.get_object(), "state"));
  const auto next =
      filter_.starts_with(kState) ? states.upper_bound(filter_.substr(kState.size())) : states.begin();
  (void)filter(next == states.end() ? std::string() : std::string(kState) + *next);
}

void ShardList::next_sort() {
  const auto keys = control::sort_keys();
  const auto at = std::find(keys.begin(), keys.end(), sort_);
  sort_ = at == keys.end() || at + 1 == keys.end() ? keys.front() : *(at + 1);
  arrange();
}

void ShardList::reverse() {
  reverse_ = !reverse_;
  arrange();
}

bool ShardList::key(char32_t key, std::size_t height) {
  const auto page = std::max<std::size_t>(height, 2) - 1;
  switch (key) {
    case kUp:
    case 'k':
      move_to(cursor_ - std::min<std::size_t>(cursor_, 1));
      return true;
    case kPageUp:
      move_to(cursor_ - std::min(cursor_, page));
      return true;
    case kHome:
    case 'g':
      move_to(0);
      return true;
    case kDown:
    case 'j':
      move_to(cursor_ + 1);
      return true;
    case kPageDown:
      move_to(cursor_ + page);
      return true;
    case kEnd:
    case 'G':
      move_to(order_.size());
      return true;
    default:
      return false;
  }
}

Result<void> ShardList::jump(const std::string& to) {
  const auto id = parse_int<std::int64_t>(to);
  const auto is_meant = [&](const bj::object& shard) {
    return id ? has_id(shard, *id) : word(shard, "id") == to;
  };
  for (std::size_t at = 0; at < order_.size(); ++at) {
    if (!is_meant(row(at))) continue;
    move_to(at);
    return {};
  }
  const auto& shards = snapshot_->shards();
  const bool hidden = std::any_of(shards.begin(), shards.end(),
                                  [&](const bj::value& shard) { return is_meant(shard.get_object()); });
  return fail(ErrorKind::not_found, hidden ? "the filter hides shard " + to + "; Esc removes the filter"
                                           : "no shard has the id or name " + to);
}

void ShardList::mark() {
  if (order_.empty()) return;
  if (marks_.erase(at_) == 0) marks_.insert(at_);
  move_to(cursor_ + 1);
}

void ShardList::mark_all() {
  for (std::size_t at = 0; at < order_.size(); ++at) marks_.insert(name(at));
}

bool ShardList::clear_marks() {
  const bool any = !marks_.empty();
  marks_.clear();
  return any;
}

std::vector<Target> ShardList::targets() const {
  std::vector<Target> targets;
  if (marks_.empty()) {
    if (auto one = current()) targets.push_back(std::move(*one));
    return targets;
  }
  const auto& shards = snapshot_->shards();
  for (const auto index : control::sorted_order(shards, "shard", false)) {
    auto target = target_of(shards[index].get_object());
    if (marks_.contains(target.name)) targets.push_back(std::move(target));
  }
  return targets;
}

std::optional<Target> ShardList::current() const {
  return order_.empty() ? std::nullopt : std::optional(target_of(row(cursor_)));
}

std::size_t ShardList::hidden_marks() const {
  auto hidden = marks_;
  for (std::size_t at = 0; at < order_.size() && !hidden.empty(); ++at) hidden.erase(name(at));
  return hidden.size();
}

std::string ShardList::place() const {
  const auto all = snapshot_ ? snapshot_->shards().size() : 0;
  auto words = order_.empty()
                   ? "no shard" + std::string(filter_.empty() ? "" : " of " + std::to_string(all))
                   : std::to_string(top_ + 1) + '-' + std::to_string(std::min(order_.size(), top_ + rows_)) +
                         " of " + std::to_string(order_.size());
  if (!filter_.empty()) words += " with \"" + filter_ + '"';
  words += ", sort: " + sort_ + (reverse_ ? " reversed" : "");
  return words + (marks_.empty() ? "" : ", " + std::to_string(marks_.size()) + " marked");
}

}  // namespace smaster::watch
