// The thread on which the store is used, and whether the store works.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "server/persistence/kept.hpp"
#include "store/store.hpp"

namespace smaster::server {

class StoreThread {
 public:
  StoreThread(store::Store& store, store::HistoryStore& past) : store_(store), past_(past) {}

  /// Reads the fleet's data on the calling thread; blocks.
  [[nodiscard]] Result<Kept> read() { return read_kept(store_); }
  /// The same on the store's thread; and in advance, while another server leads.
  net::Task<Result<Kept>> read_in_store();
  net::Task<Result<void>> read_ahead();

  /// Arguments must outlive the coroutine. Errors: those of the store; internal for an exception.
  net::Task<Result<void>> save(const std::vector<fleet::ShardInfo>& infos);
  /// Removes the shards' rows and their history.
  net::Task<Result<void>> remove(const std::vector<ShardName>& names);
  net::Task<Result<void>> save_history(const std::vector<fleet::SampleBlock>& blocks, Time oldest);
  /// Runs `read` with the history store on the thread.
  template <class Read>
  auto with_history(Read read) -> net::Task<decltype(read(std::declval<store::HistoryStore&>()))> {
    co_return co_await net::run_in(thread_, [this, &read] { return read(past_); });
  }

  net::Task<Result<void>> save_events(const std::vector<fleet::Event>& events, Time oldest, std::size_t most);
  /// A named text; empty if none was saved. load_note blocks, the others run on the thread.
  [[nodiscard]] Result<std::string> load_note(const std::string& name) { return store_.load_note(name); }
  net::Task<Result<std::string>> load_note_in_store(std::string name);
  net::Task<Result<void>> save_note(std::string name, std::string text);

  /// The error of the last write; empty: the store works.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] bool disk_full() const { return trouble_.starts_with(store::kDiskFull); }
  /// Waits for the thread's work. Call before the store is destroyed.
  void join() { thread_.join(); }

  /// Set by the wiring: called when a write fails since another server leads.
  std::function<void(const std::string&)> deposed;
  /// Set by the wiring: called when writes begin to fail, and when they work again.
  std::function<void(bool works, const std::string& text)> changed;

 private:
  void wrote(const Result<void>& written);
  /// Writes on the thread. An exception of the store becomes an error.
  template <class Write>
  net::Task<Result<void>> in_store(Write write) {
    const auto safely = [&write]() -> Result<void> {
      try {
        return write();
      } catch (const std::exception& error) {
        return fail(ErrorKind::internal, std::string("the store failed: ") + error.what());
      }
    };
    auto written = co_await net::run_in(thread_, safely);
    wrote(written);
    co_return written;
  }

  store::Store& store_;
  store::HistoryStore& past_;
  net::asio::thread_pool thread_{1};
  std::string trouble_;  ///< error of the last write; empty: none
};

}  // namespace smaster::server
