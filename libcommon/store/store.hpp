// Persistent storage of the registry and the history. Implementations may block. They are called from one
// thread at a time, never from the thread of the event loop.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "records/event.hpp"
#include "records/history.hpp"
#include "records/shard_info.hpp"

namespace smaster::store {

/// The note with the master's public key, which all servers must share. Not copied to another store: a change
/// of the key pair may be the reason for the copy.
inline constexpr const char* kMasterKeyNote = "master-public-key";

/// The beginning of the message of a write that failed since the disk is full; the path follows.
inline const std::string kDiskFull = "the disk is full: ";

/// The registry, and named texts (notes). In a shared store only the leader may write; a write by another
/// server fails with not_permitted and changes nothing.
class Store {
 public:
  virtual ~Store() = default;

  [[nodiscard]] virtual Result<std::vector<fleet::ShardInfo>> load_registry() = 0;
  /// Prepares load_registry, so that it is fast. Called repeatedly while another server leads.
  [[nodiscard]] virtual Result<void> read_ahead() { return {}; }
  /// Adds or replaces these shards. Durable when it returns. Atomic, except that etcd takes 100 at a time: of
  /// more than that, some may be saved after an error.
  [[nodiscard]] virtual Result<void> save(const std::vector<fleet::ShardInfo>& shards) = 0;

  /// Removes these shards, with the guarantees of `save`.
  [[nodiscard]] virtual Result<void> remove(const std::vector<ShardName>& shards) = 0;

  /// The names of all notes, sorted.
  [[nodiscard]] virtual Result<std::vector<std::string>> notes() = 0;
  /// The text of a note; empty: there is none.
  [[nodiscard]] virtual Result<std::string> load_note(const std::string& name) = 0;
  /// Durable when it returns.
  [[nodiscard]] virtual Result<void> save_note(const std::string& name, const std::string& text) = 0;
};

/// The history: samples of the figures in the shards' statuses, and what happened.
class HistoryStore {
 public:
  virtual ~HistoryStore() = default;

  /// The shard's blocks that have samples later than `since`, unordered.
  [[nodiscard]] virtual Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard,
                                                                             Time since) = 0;
  /// Adds blocks, in order per shard, and deletes blocks that end before `oldest`. A block replaces its
  /// earlier version (same shard and start); an open block is the last one of its shard.
  [[nodiscard]] virtual Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks,
                                                  Time oldest) = 0;
  /// Deletes the history of these shards. Atomic; durable when it returns.
  [[nodiscard]] virtual Result<void> forget(const std::vector<ShardName>& shards) = 0;

  /// The newest events of the query, oldest first. Those that this version cannot read are left out.
  [[nodiscard]] virtual Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery& query) = 0;
  /// Adds events, and deletes those before `oldest` and all but the newest `most`. An event that is there
  /// already stays.
  [[nodiscard]] virtual Result<void> save_events(const std::vector<fleet::Event>& events, Time oldest,
                                                 std::size_t most) = 0;
};

/// Registry and history in one file.
class FileStore : public Store, public HistoryStore {};

/// The embedded store: one SQLite file, created with mode 0600 if missing. Errors: cannot_create if it cannot
/// be opened, or if a newer version of this program made it.
[[nodiscard]] Result<std::unique_ptr<FileStore>> open_sqlite(const std::filesystem::path& file);

/// Opens a file that is not writable now: reads from a temporary copy; each write tries to switch to the real
/// file. Errors: cannot_create if it is not readable either.
[[nodiscard]] Result<std::unique_ptr<FileStore>> open_copy(const std::filesystem::path& file);

}  // namespace smaster::store
