// Files between project_dir, shards and operators. Disk operations run one at a time on a thread of their
// own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/folder.hpp"
#include "net/asio.hpp"
#include "net/descriptors.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/fairness/transfers.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/reservation.hpp"
#include "settings/settings.hpp"
#include "wire/shard/file_event.hpp"

namespace smaster::server {

class Files {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    const std::filesystem::path& settings_file;
    Directory& directory;
    const net::Descriptors& descriptors;
  };
  explicit Files(const Parts& parts);

  /// Writes or removes a file in project_dir. Requesters take turns. `who`: the shard's name; protected files
  /// (containment.hpp) are refused. Empty: an operator, without that limit. Errors: unavailable if too many
  /// files or bytes wait; those of the disk.
  net::Task<Result<void>> take(std::string who, wire::FileEvent event);
  /// True if transfers to shards wait for others to end.
  [[nodiscard]] bool others_wait() const { return asked_for_.waits() || pushed_.waits(); }
  /// Number of files waiting to be written, and of transfers to shards.
  [[nodiscard]] std::size_t waiting() const { return turns_.waiting() + asked_for_.size() + pushed_.size(); }
  /// Sends a shard the file; if the request has a time, only if our file is newer (WIRE.md, `getFile`).
  /// Returns when the shard has acknowledged it. Errors: unavailable if there are too many transfers or the
  /// shard disconnects, timed_out after five minutes.
  net::Task<Result<void>> give(ShardRef to, wire::FileName file);
  /// Sends a shard the file without being asked. not_found if there is none: the shard keeps its own.
  net::Task<Result<void>> push(ShardName shard, std::string name);
  /// Asks a shard for a file, which it then sends as a writeFile of its own.
  net::Task<Result<void>> fetch(ShardName shard, std::string name);
  /// Sends a shard the files of [shards] copy_files. Failures are logged.
  net::Task<> copy(ShardName shard);

  /// Opens a file in project_dir to be read; and creates one to be written.
  net::Task<Result<std::shared_ptr<files::OpenFile>>> open(std::string name);
  net::Task<Result<std::shared_ptr<files::FileWriter>>> create(std::string name);
  [[nodiscard]] net::asio::thread_pool& thread() { return thread_; }

  void join() { thread_.join(); }

 private:
  /// Bytes of files that wait to be written.
  struct WaitingBytes {
    std::size_t all = 0;
    std::map<std::string, std::size_t> each;  ///< by requester
  };
  class HeldBytes;

  [[nodiscard]] Result<std::shared_ptr<files::Folder>> folder();
  net::Task<Result<std::shared_ptr<files::OpenFile>>> open(std::string name,
                                                           std::optional<files::Guard> guard);
  /// The shard's current connection. Errors: unavailable.
  [[nodiscard]] Result<ShardRef> connected(const ShardName& shard);
  /// `turn` is held until the file is read to its end.
  net::Task<Result<void>> send(ShardRef to, std::string name_json, std::shared_ptr<files::OpenFile> file,
                               Transfers::Turn turn);
  net::Task<Result<void>> ask(ShardRef to, std::string event, std::vector<std::string> arguments,
                              std::shared_ptr<engineio::FrameSource> source);

  const Parts parts_;
  net::asio::thread_pool thread_{1};
  FairSemaphore turns_;
  Transfers asked_for_;  ///< requested by shards
  Transfers pushed_;     ///< sent unasked, with turns of their own
  std::shared_ptr<WaitingBytes> waiting_bytes_ = std::make_shared<WaitingBytes>();
  std::filesystem::path path_;  ///< of `folder_`
  std::shared_ptr<files::Folder> folder_;
};

}  // namespace smaster::server
