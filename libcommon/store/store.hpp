// Where the registry and the history are kept for good. Implementations may block; they are called from one
// thread at a time, never from the one that owns the state.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "records/history.hpp"
#include "records/shard_info.hpp"

namespace smaster::store {

/// The note with the public key of the pair that all servers must have. It is not copied: which pair that is
/// may be why the registry moves.
inline constexpr const char* kMasterKeyNote = "master-public-key";

/// The registry, and texts that are kept under names. In a store that servers share only the one that leads
/// may write: what another writes fails with not_permitted, and changes nothing.
class Store {
 public:
  virtual ~Store() = default;

  [[nodiscard]] virtual Result<std::vector<fleet::ShardInfo>> load_registry() = 0;
  /// Reads ahead what load_registry is to give, so that it takes little time then; called again and again
  /// while another server leads.
  [[nodiscard]] virtual Result<void> read_ahead() { return {}; }
  /// Adds or replaces these shards, all or none; on disk when it returns. etcd takes 100 at a time: more than
  /// that may be there in part when it fails.
  [[nodiscard]] virtual Result<void> save(const std::vector<fleet::ShardInfo>& shards) = 0;

  /// Forgets these shards, as `save` writes; on disk when it returns.
  [[nodiscard]] virtual Result<void> remove(const std::vector<ShardName>& shards) = 0;

  /// The names of the texts that there are, in their order.
  [[nodiscard]] virtual Result<std::vector<std::string>> notes() = 0;
  /// A text that was saved under this name; empty: none was.
  [[nodiscard]] virtual Result<std::string> load_note(const std::string& name) = 0;
  /// On disk when it returns.
  [[nodiscard]] virtual Result<void> save_note(const std::string& name, const std::string& text) = 0;
};

/// What the shards said of themselves.
class HistoryStore {
 public:
  virtual ~HistoryStore() = default;

  /// The shard's blocks with samples later than `since`, in no particular order.
  [[nodiscard]] virtual Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard,
                                                                             Time since) = 0;
  /// Adds blocks, a shard's in their order, and drops what ends before `oldest`. A block replaces what was
  /// written of it before; an open one is the shard's last.
  [[nodiscard]] virtual Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks,
                                                  Time oldest) = 0;
  /// Forgets these shards' history, all or none; on disk when it returns.
  [[nodiscard]] virtual Result<void> forget(const std::vector<ShardName>& shards) = 0;
};

/// One file for both.
class FileStore : public Store, public HistoryStore {};

/// The embedded store: one SQLite file, made with mode 0600 when it is missing. bad_data when the file is of
/// a newer version of this program, cannot_create when it cannot be opened.
[[nodiscard]] Result<std::unique_ptr<FileStore>> open_sqlite(const std::filesystem::path& file);

/// The same file where it cannot be written now: it is read from a copy, and every write looks whether it can
/// be written meanwhile. cannot_create when it cannot be read either.
[[nodiscard]] Result<std::unique_ptr<FileStore>> open_copy(const std::filesystem::path& file);

}  // namespace smaster::store
