// Files between the project directory, shards and operators. What touches the disk runs on one thread of its
// own, so that what was asked for first is done first.
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

  /// Writes or removes a file of ours. Each who asks takes turns; unavailable when too much waits already.
  /// `who`: a shard, which may not touch what is kept from them (containment.hpp); empty for an operator, who
  /// may.
  net::Task<Result<void>> take(std::string who, wire::FileEvent event);
  /// Files that wait to be written, and those on their way to shards.
  /// Whether files wait for others to be sent.
  [[nodiscard]] bool others_wait() const { return asked_for_.waits() || pushed_.waits(); }
  [[nodiscard]] std::size_t waiting() const { return turns_.waiting() + asked_for_.size() + pushed_.size(); }
  /// Gives a shard the file; with a time, only if ours is younger (WIRE.md, `getFile`). Ends when the shard
  /// has said that it has it. unavailable when too many were asked for already.
  net::Task<Result<void>> give(ShardRef to, wire::FileName file);
  /// The same for files that all shards are to have: one that does not exist here stays there.
  net::Task<Result<void>> push(ShardName shard, std::string name);
  /// Asks a shard for a file, which then comes as a writeFile of its own.
  net::Task<Result<void>> fetch(ShardName shard, std::string name);
  /// Gives a shard the configured files.
  net::Task<> copy(ShardName shard);

  /// One of our files, open; and one begun.
  net::Task<Result<std::shared_ptr<files::OpenFile>>> open(std::string name);
  net::Task<Result<std::shared_ptr<files::FileWriter>>> create(std::string name);
  [[nodiscard]] net::asio::thread_pool& thread() { return thread_; }

  void join() { thread_.join(); }

 private:
  /// Of files to be written.
  struct WaitingBytes {
    std::size_t all = 0;
    std::map<std::string, std::size_t> each;  ///< by who wants them written
  };
  class HeldBytes;

  [[nodiscard]] Result<std::shared_ptr<files::Folder>> folder();
  net::Task<Result<std::shared_ptr<files::OpenFile>>> open(std::string name,
                                                           std::optional<files::Guard> guard);
  /// Where a shard that takes files is connected now.
  [[nodiscard]] Result<ShardRef> connected(const ShardName& shard);
  /// `turn`: ends with the file's last byte.
  net::Task<Result<void>> send(ShardRef to, std::string name_json, std::shared_ptr<files::OpenFile> file,
                               Transfers::Turn turn);
  net::Task<Result<void>> ask(ShardRef to, std::string event, std::vector<std::string> arguments,
                              std::shared_ptr<engineio::FrameSource> source);

  const Parts parts_;
  net::asio::thread_pool thread_{1};
  FairSemaphore turns_;
  Transfers asked_for_;  ///< by shards
  Transfers pushed_;     ///< by us, with turns of their own
  std::shared_ptr<WaitingBytes> waiting_bytes_ = std::make_shared<WaitingBytes>();
  std::filesystem::path path_;  ///< of `folder_`
  std::shared_ptr<files::Folder> folder_;
};

}  // namespace smaster::server
