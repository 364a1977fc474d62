// Asks the server in a thread of its own, so that keys work while it does not answer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/client.hpp"
#include "watch/snapshot.hpp"

namespace smaster::tools {

class Fetcher {
 public:
  struct Past {
    std::string name;
    boost::json::array statuses;
  };
  using News = std::variant<watch::Snapshot, Error, Past>;

  /// Calls `fetch` after each `pause`, and `wake` when there is news, both in the thread.
  Fetcher(const control::Client& client, std::function<Result<boost::json::object>()> fetch, Millis pause,
          std::function<void()> wake);
  /// Waits for the thread.
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Asks for the last minutes of a shard.
  void ask_past(std::string name);
  [[nodiscard]] std::deque<News> take();
  /// Lets the thread end. False if it waits for the server meanwhile.
  [[nodiscard]] bool end();

 private:
  void run();
  [[nodiscard]] News ask() const;
  void tell(News news);

  const control::Client& client_;
  const std::function<Result<boost::json::object>()> fetch_;
  const Millis pause_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> wanted_;
  std::deque<News> news_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace smaster::tools
