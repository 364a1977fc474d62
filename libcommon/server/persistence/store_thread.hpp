// The one thread in which the store is used, and whether the store works.
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

  /// Reads what the store has, in any thread.
  [[nodiscard]] Result<Kept> read() { return read_kept(store_); }
  /// The same in the store's own thread; and ahead of that, as long as another server leads.
  net::Task<Result<Kept>> read_in_store();
  net::Task<Result<void>> read_ahead();

  /// What is written lives until it is.
  net::Task<Result<void>> save(const std::vector<fleet::ShardInfo>& infos);
  /// The rows, and the past.
  net::Task<Result<void>> remove(const std::vector<ShardName>& names);
  net::Task<Result<void>> save_history(const std::vector<fleet::SampleBlock>& blocks, Time oldest);
  /// Runs `read(past)` in the thread.
  template <class Read>
  auto with_history(Read read) -> net::Task<decltype(read(std::declval<store::HistoryStore&>()))> {
    co_return co_await net::run_in(thread_, [this, &read] { return read(past_); });
  }

  /// A text that is kept for somebody under a name; empty: none was saved.
  [[nodiscard]] Result<std::string> load_note(const std::string& name) { return store_.load_note(name); }
  net::Task<Result<std::string>> load_note_in_store(std::string name);
  net::Task<Result<void>> save_note(std::string name, std::string text);

  /// Why the store cannot be written, while it cannot; empty: all is well.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  /// What the thread still does must end before the store.
  void join() { thread_.join(); }

  /// Set by the wiring: the store says that another server leads.
  std::function<void(const std::string&)> deposed;
  /// Set by the wiring: something that operators should hear of.
  std::function<void(const std::string&)> alert;

 private:
  void wrote(const Result<void>& written);
  /// Writes in the thread. What the store throws is an error like others.
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
  std::string trouble_;  ///< what its last write said; empty: all is well
};

}  // namespace smaster::server
