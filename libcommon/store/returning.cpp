// A store whose folder is not writable at startup: reads a copy, and switches to the real file at the first
// write that succeeds in opening it.
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "store/store.hpp"

namespace smaster::store {
namespace {

namespace fs = std::filesystem;

/// A private temporary folder, deleted by the destructor.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    auto pattern = (fs::temp_directory_path(error) / "smaster-store-XXXXXX").string();
    if (!error && ::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class ReturningStore final : public FileStore {
 public:
  ReturningStore(fs::path file, std::unique_ptr<TemporaryFolder> folder, std::unique_ptr<FileStore> copy)
      : file_(std::move(file)), folder_(std::move(folder)), copy_(std::move(copy)) {}

  Result<std::vector<fleet::ShardInfo>> load_registry() override { return readable().load_registry(); }
  Result<std::vector<std::string>> notes() override { return readable().notes(); }
  Result<std::string> load_note(const std::string& name) override { return readable().load_note(name); }
  Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard, Time since) override {
    return readable().load_history(shard, since);
  }
  Result<void> save(const std::vector<fleet::ShardInfo>& shards) override {
    return write([&](FileStore& store) { return store.save(shards); });
  }
  Result<void> remove(const std::vector<ShardName>& shards) override {
    return write([&](FileStore& store) { return store.remove(shards); });
  }
  Result<void> forget(const std::vector<ShardName>& shards) override {
    return write([&](FileStore& store) { return store.forget(shards); });
  }
  Result<void> save_note(const std::string& name, const std::string& text) override {
    return write([&](FileStore& store) { return store.save_note(name, text); });
  }
  Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery& query) override {
    return readable().load_events(query);
  }
  Result<void> save_events(const std::vector<fleet::Event>& events, Time oldest, std::size_t most) override {
    return write([&](FileStore& store) { return store.save_events(events, oldest, most); });
  }
  Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks, Time oldest) override {
    return write([&](FileStore& store) { return store.save_history(blocks, oldest); });
  }

 private:
  [[nodiscard]] FileStore& readable() { return real_ ? *real_ : *copy_; }

  template <class Work>
  Result<void> write(Work work) {
    if (!real_) {
      auto opened = open_sqlite(file_);
      if (!opened) return opened.error();
      real_ = std::move(*opened);
      copy_.reset();
      folder_.reset();
    }
    return work(*real_);
  }

  fs::path file_;
  std::unique_ptr<TemporaryFolder> folder_;
  std::unique_ptr<FileStore> copy_;
  std::unique_ptr<FileStore> real_;
};

}  // namespace

Result<std::unique_ptr<FileStore>> open_copy(const fs::path& file) {
  auto folder = std::make_unique<TemporaryFolder>();
  if (folder->path().empty()) return fail(ErrorKind::cannot_create, "cannot make a temporary folder");
  const auto copy = folder->path() / file.filename();
  std::error_code error;
  fs::copy_file(file, copy, error);
  if (error) return fail(ErrorKind::cannot_create, "cannot copy " + file.string() + ": " + error.message());
  // The last writes may still be in the write-ahead log.
  fs::copy_file(file.string() + "-wal", copy.string() + "-wal", error);
  auto opened = open_sqlite(copy);
  if (!opened) return opened.error();
  return std::unique_ptr<FileStore>(
      std::make_unique<ReturningStore>(file, std::move(folder), std::move(*opened)));
}

}  // namespace smaster::store
