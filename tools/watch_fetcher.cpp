#include "watch_fetcher.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "tool.hpp"
#include "watch/past.hpp"

namespace smaster::tools {
Fetcher::Fetcher(const control::Client& client, std::function<Result<boost::json::object>()> fetch,
                 Millis pause, std::function<void()> wake)
    : client_(client), fetch_(std::move(fetch)), pause_(pause), wake_(std::move(wake)), thread_([this] {
        run();
      }) {}

Fetcher::~Fetcher() {
  (void)end();
  thread_.join();
}

bool Fetcher::end() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  changed_.notify_all();
  return !busy_;
}

void Fetcher::ask_past(std::string name) {
  const std::lock_guard lock(mutex_);
  wanted_.push_back(std::move(name));
  changed_.notify_all();
}

std::deque<Fetcher::News> Fetcher::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Fetcher::tell(News news) {
  {
    const std::lock_guard lock(mutex_);
    news_.push_back(std::move(news));
  }
  wake_();
}

Fetcher::News Fetcher::ask() const {
  try {
    auto stats = fetch_();
    if (!stats) return stats.error();
    return watch::Snapshot{std::move(*stats), now_ms()};
  } catch (const std::exception& e) {
    return fail(ErrorKind::internal, e.what());
  }
}

void Fetcher::run() {
  auto next = std::chrono::steady_clock::now() + pause_;
  while (true) {
    std::optional<std::string> name;
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      changed_.wait_until(lock, next, [this] { return ending_ || !wanted_.empty(); });
      if (ending_) return;
      // The figures of all come first.
      if (std::chrono::steady_clock::now() < next) {
        if (wanted_.empty()) continue;
        name = std::move(wanted_.front());
        wanted_.pop_front();
      }
      busy_ = true;
    }
    if (name) {
      auto statuses = fetch_history(client_, *name, now_ms() - watch::Past::kWindow);
      tell(Past{std::move(*name), std::move(statuses)});
      continue;
    }
    tell(ask());
    next = std::chrono::steady_clock::now() + pause_;
  }
}

}  // namespace smaster::tools
