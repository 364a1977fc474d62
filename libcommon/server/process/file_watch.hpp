// Reports when one of a few files was edited, replaced or created, including a save by rename and a changed
// symbolic link. A file that is still being written is reported again when it is finished, one that cannot be
// read, as soon as it can.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"

namespace smaster::server {

class FileWatch {
 public:
  using OnChange = std::function<void(const std::filesystem::path&)>;

  FileWatch(net::asio::io_context& context, OnChange on_change);

  /// Watches these files and no others. Files not watched before are compared with their present state.
  void watch(const std::vector<std::filesystem::path>& files);
  void stop();

 private:
  /// Identifies a version of a file.
  struct State {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, changed_ns = 0;
    bool operator==(const State&) const = default;
  };
  [[nodiscard]] static State look(const std::filesystem::path& file);

  void wait();
  void look_after(Millis delay);
  void look_at_all();

  OnChange on_change_;
  net::asio::posix::basic_stream_descriptor<net::Executor> events_;
  net::Timer settle_;  ///< delays the check, since one edit causes several events
  bool settling_ = false;
  std::map<std::filesystem::path, State> files_;
  std::set<std::filesystem::path> unreadable_;  ///< edited files that could not be read
  std::vector<int> folders_;
  char buffer_[4096];
};

}  // namespace smaster::server
