#include "store/etcd.hpp"

#include <atomic>
#include <boost/json/array.hpp>
#include <map>
#include <unordered_map>
#include <utility>

#include "json/json.hpp"
#include "store/etcd_requests.hpp"
#include "store/etcd_watch.hpp"
#include "store/row.hpp"

namespace smaster::store {
namespace {

namespace bj = boost::json;

constexpr Millis kTimeout{5'000};      ///< for reads and writes
constexpr std::size_t kAtOnce = 100;   ///< operations per transaction; etcd's default limit is 128
constexpr std::int64_t kPage = 2'000;  ///< rows per read, about 3 MB
constexpr std::int64_t kNotLeading = 0;

/// State shared by the store and the election.
struct Shared {
  EtcdOptions options;
  /// The leadership term: the creation revision of the leader key. Unique for each leader.
  std::atomic<std::int64_t> term = kNotLeading;

  [[nodiscard]] std::string leader_key() const { return options.prefix + "leader"; }
  /// A fencing key: each write depends on the value that the leader's previous write left here. So a write
  /// that was given up and retried has no effect if a slow server executes it later.
  [[nodiscard]] std::string writes_key() const { return options.prefix + "writes"; }
  [[nodiscard]] std::string shard_key(std::string_view name) const {
    return options.prefix + "shards/" + std::string(name);
  }
  [[nodiscard]] std::string note_key(std::string_view name) const {
    return options.prefix + "notes/" + std::string(name);
  }
};

class EtcdStore final : public Store {
 public:
  explicit EtcdStore(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), client_(shared_->options) {}

  Result<std::vector<fleet::ShardInfo>> load_registry() override {
    if (auto read = read_ahead(); !read) return read.error();
    std::vector<fleet::ShardInfo> shards;
    shards.reserve(rows_.size());
    for (auto& [name, info] : rows_) shards.push_back(std::move(info));
    rows_.clear();
    read_up_to_ = 0;
    written_.clear();
    for (const auto& info : shards) remember(info);
    return shards;
  }

  /// Reads only the changes since the last call, which are usually none.
  Result<void> read_ahead() override {
    const auto before = read_up_to_;
    auto from = shared_->shard_key("");
    const auto end = range_end(from);
    std::int64_t revision = 0, count = 0;
    for (bool more = true; more;) {
      bj::object request{{"key", to_base64(from)}, {"range_end", to_base64(end)}, {"limit", kPage}};
      if (before > 0) request["min_mod_revision"] = std::to_string(before + 1);
      if (revision > 0) request["revision"] = std::to_string(revision);
      const auto page = client_.call("kv/range", request, kTimeout);
      if (!page) return page.error();
      if (revision == 0) {
        revision = revision_of(*page);
        count = number_at(*page, "count");
      }
      more = false;
      json::read(*page, "more", more);
      for (auto& row : key_values(*page)) {
        auto info = parse_row(row.value);
        if (!info) return fail(ErrorKind::bad_data, "etcd: " + row.key + " is no row of a shard");
        rows_.insert_or_assign(info->id, std::move(*info));
        from = row.key + '\0';
      }
    }
    if (static_cast<std::int64_t>(rows_.size()) != count) {
      if (auto dropped = drop_removed(revision); !dropped) return dropped;
    }
    read_up_to_ = revision;
    return {};
  }

  Result<void> save(const std::vector<fleet::ShardInfo>& shards) override {
    std::vector<const fleet::ShardInfo*> changed;
    for (const auto& info : shards) {
      const auto known = written_.find(info.id);
      if (known == written_.end() || known->second != lasting(info)) changed.push_back(&info);
    }
    return in_pieces(
        changed,
        [this](const fleet::ShardInfo* info) {
          return put(shared_->shard_key(info->id.str()), to_text(*info));
        },
        [this](const fleet::ShardInfo* info) { remember(*info); });
  }

  Result<void> remove(const std::vector<ShardName>& shards) override {
    return in_pieces(
        shards, [this](const ShardName& name) { return remove_key(shared_->shard_key(name.str())); },
        [this](const ShardName& name) { written_.erase(name); });
  }

  Result<std::vector<std::string>> notes() override {
    const auto prefix = shared_->note_key("");
    const auto range = client_.call(
        "kv/range",
        {{"key", to_base64(prefix)}, {"range_end", to_base64(range_end(prefix))}, {"keys_only", true}},
        kTimeout);
    if (!range) return range.error();
    std::vector<std::string> names;
    for (const auto& note : key_values(*range)) names.push_back(note.key.substr(prefix.size()));
    return names;
  }

  Result<std::string> load_note(const std::string& name) override {
    const auto range = client_.call("kv/range", {{"key", to_base64(shared_->note_key(name))}}, kTimeout);
    if (!range) return range.error();
    auto found = key_values(*range);
    return found.empty() ? std::string() : std::move(found.front().value);
  }

  Result<void> save_note(const std::string& name, const std::string& text) override {
    return write({put(shared_->note_key(name), text)});
  }

 private:
  template <class List, class Operation, class Done>
  Result<void> in_pieces(const List& list, Operation operation, Done done) {
    for (auto at = list.begin(); at != list.end();) {
      const auto begin = at;
      bj::array operations;
      for (; at != list.end() && operations.size() < kAtOnce; ++at) operations.push_back(operation(*at));
      if (auto written = write(std::move(operations)); !written) return written;
      std::for_each(begin, at, done);
    }
    return {};
  }

  /// Writes in a transaction that fails unless this server still leads and its previous write is the latest
  /// one.
  Result<void> write(bj::array operations) {
    const auto term = shared_->term.load();
    if (term == kNotLeading) return not_leading();
    if (!last_write_) {
      const auto range = client_.call("kv/range", {{"key", to_base64(shared_->writes_key())}}, kTimeout);
      if (!range) return range.error();
      const auto found = key_values(*range);
      last_write_ = found.empty() ? std::string() : found.front().value;
    }
    const auto own = std::to_string(term) + '/' + std::to_string(++writes_);
    operations.push_back(put(shared_->writes_key(), own));
    const bj::array compare{created_at(shared_->leader_key(), term),
                            has_value(shared_->writes_key(), *std::exchange(last_write_, std::nullopt))};
    const auto answer =
        client_.call("kv/txn",
                     {{"compare", compare},
                      {"success", std::move(operations)},
                      {"failure", bj::array{get(shared_->leader_key()), get(shared_->writes_key())}}},
                     kTimeout);
    // It may still be executed: the next write reads the fencing key first.
    if (!answer) return answer.error();
    bool leads = succeeded(*answer), written = leads;
    if (!written) {
      for (const auto& entry : found_by(*answer)) {
        leads = leads || (entry.key == shared_->leader_key() && entry.created == term);
        // The write was retried after a lost response: the first attempt had succeeded.
        written = written || (entry.key == shared_->writes_key() && entry.value == own);
      }
    }
    if (!written && !leads) return not_leading();
    if (!written)
      return fail(ErrorKind::unavailable, "etcd: an earlier write came late; this one was not made");
    last_write_ = own;
    return {};
  }

  static Error not_leading() {
    return fail(ErrorKind::not_permitted, "etcd: this server does not lead any more; nothing was written");
  }

  Result<void> drop_removed(std::int64_t revision) {
    const auto prefix = shared_->shard_key("");
    const auto range = client_.call("kv/range",
                                    {{"key", to_base64(prefix)},
                                     {"range_end", to_base64(range_end(prefix))},
                                     {"keys_only", true},
                                     {"revision", std::to_string(revision)}},
                                    kTimeout);
    if (!range) return range.error();
    std::map<ShardName, fleet::ShardInfo> left;
    for (const auto& row : key_values(*range)) {
      const auto name = ShardName::parse_seat(std::string_view(row.key).substr(prefix.size()));
      if (!name) continue;
      if (auto node = rows_.extract(*name)) left.insert(std::move(node));
    }
    rows_ = std::move(left);
    return {};
  }

  /// A hash of a row without the times of contact: they alone are not worth a write.
  static std::size_t lasting(fleet::ShardInfo info) {
    info.last_seen = info.last_heartbeat = fleet::kNever;
    return std::hash<std::string>{}(to_text(info));
  }
  void remember(const fleet::ShardInfo& info) { written_.insert_or_assign(info.id, lasting(info)); }

  std::shared_ptr<Shared> shared_;
  EtcdClient client_;
  std::map<ShardName, fleet::ShardInfo> rows_;  ///< result of read_ahead
  std::int64_t read_up_to_ = 0;                 ///< revision
  std::unordered_map<ShardName, std::size_t> written_;
  std::int64_t writes_ = 0;                ///< number of attempts
  std::optional<std::string> last_write_;  ///< current value of the fencing key; unset: unknown
};

class EtcdElection final : public Election {
 public:
  EtcdElection(std::shared_ptr<Shared> shared, Millis lease)
      : shared_(std::move(shared)),
        client_(shared_->options),
        watch_(shared_->options, shared_->leader_key()),
        lease_time_(lease) {}

  Result<Standing> campaign(const Member& self) override {
    if (auto leased = keep_lease(); !leased) return leased.error();
    const auto text = to_text(self);
    const auto own_key = shared_->options.prefix + "members/" + self.name;
    if (std::exchange(said_, text) != text) {
      const auto put_member = put(own_key, text, lease_).at("request_put").as_object();
      if (auto known = client_.call("kv/put", put_member, timeout()); !known) {
        said_.clear();
        return known.error();
      }
    }
    auto leading = self;
    leading.leads_since = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    const auto key = shared_->leader_key();
    const auto answer = client_.call(
        "kv/txn",
        {{"compare", bj::array{created_at(key, 0)}},
         {"success",
          bj::array{put(key, to_text(leading), lease_), put(shared_->writes_key(), std::to_string(lease_))}},
         {"failure", bj::array{get(key)}}},
        timeout());
    if (!answer) return answer.error();
    if (succeeded(*answer)) {
      shared_->term = revision_of(*answer);
      return Standing{true, std::move(leading)};
    }
    return standing(*answer);
  }

  Result<void> renew() override {
    const auto lost = fail(ErrorKind::not_permitted, "its lease has ended");
    auto kept = renew_lease();
    if (!kept) return kept.error();
    if (!*kept) return lost;
    // The key may have been deleted by hand.
    const auto range = client_.call("kv/range", {{"key", to_base64(shared_->leader_key())}}, timeout());
    if (!range) return range.error();
    const auto found = key_values(*range);
    return !found.empty() && found.front().created == shared_->term ? Result<void>() : lost;
  }

  void resign() override {
    shared_->term = kNotLeading;
    if (lease_ == 0) return;
    (void)client_.call("lease/revoke", {{"ID", std::to_string(lease_)}}, timeout());
    lease_ = 0;
    said_.clear();
  }

  Result<std::vector<Member>> members() override {
    const auto prefix = shared_->options.prefix + "members/";
    const auto range = client_.call(
        "kv/range", {{"key", to_base64(prefix)}, {"range_end", to_base64(range_end(prefix))}}, timeout());
    if (!range) return range.error();
    std::vector<Member> members;
    for (const auto& entry : key_values(*range)) {
      if (auto member = parse_member(entry.value)) members.push_back(std::move(*member));
    }
    return members;
  }

  void wait(Millis most) override { watch_.wait(most); }
  void stop() override { watch_.stop(); }
  [[nodiscard]] Millis lease() const override { return lease_time_; }

 private:
  /// The lease is renewed three times per period; each renewal must complete before the next.
  [[nodiscard]] Millis timeout() const { return lease_time_ / 3; }

  Result<void> keep_lease() {
    if (lease_ != 0) {
      auto kept = renew_lease();
      if (!kept) return kept.error();
      if (*kept) return {};
    }
    said_.clear();
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(lease_time_).count();
    const auto granted = client_.call("lease/grant", {{"TTL", std::to_string(seconds)}}, timeout());
    if (!granted) return granted.error();
    lease_ = number_at(*granted, "ID");
    return {};
  }

  /// Renews the lease; false if it has ended.
  Result<bool> renew_lease() {
    const auto answer = client_.call("lease/keepalive", {{"ID", std::to_string(lease_)}}, timeout());
    if (!answer) return answer.error();
    const auto* const result = json::object_at(*answer, "result");
    return result != nullptr && number_at(*result, "TTL") > 0;
  }

  Result<Standing> standing(const bj::object& answer) {
    Standing standing;
    const auto found = found_by(answer);
    if (found.empty()) return standing;
    if (auto leader = parse_member(found.front().value)) standing.leader = std::move(*leader);
    // The key has our lease: an earlier attempt succeeded, but its response was lost.
    standing.leads = lease_ != 0 && found.front().lease == lease_;
    if (standing.leads) shared_->term = found.front().created;
    return standing;
  }

  std::shared_ptr<Shared> shared_;
  EtcdClient client_;
  EtcdWatch watch_;
  const Millis lease_time_;
  std::int64_t lease_ = 0;
  std::string said_;  ///< this server's member entry, as last written with the lease
};

}  // namespace

SharedStore open_etcd(EtcdOptions options, Millis lease) {
  auto shared = std::make_shared<Shared>();
  shared->options = std::move(options);
  return {std::make_unique<EtcdStore>(shared), std::make_unique<EtcdElection>(shared, lease)};
}

}  // namespace smaster::store
