#include "server/persistence/store_thread.hpp"

#include <utility>

namespace smaster::server {

net::Task<Result<Kept>> StoreThread::read_in_store() {
  co_return co_await net::run_in(thread_, [this] { return read(); });
}

net::Task<Result<void>> StoreThread::read_ahead() {
  co_return co_await net::run_in(thread_, [this] { return store_.read_ahead(); });
}

net::Task<Result<void>> StoreThread::save(const std::vector<fleet::ShardInfo>& infos) {
  co_return co_await in_store([this, &infos] { return store_.save(infos); });
}

net::Task<Result<void>> StoreThread::remove(const std::vector<ShardName>& names) {
  co_return co_await in_store([this, &names]() -> Result<void> {
    auto removed = store_.remove(names);
    return removed ? past_.forget(names) : removed;
  });
}

net::Task<Result<void>> StoreThread::save_history(const std::vector<fleet::SampleBlock>& blocks,
                                                  Time oldest) {
  co_return co_await in_store([this, &blocks, oldest] { return past_.save_history(blocks, oldest); });
}

net::Task<Result<void>> StoreThread::save_events(const std::vector<fleet::Event>& events, Time oldest,
                                                 std::size_t most) {
  co_return co_await in_store(
      [this, &events, oldest, most] { return past_.save_events(events, oldest, most); });
}

net::Task<Result<std::string>> StoreThread::load_note_in_store(std::string name) {
  co_return co_await net::run_in(thread_, [this, &name] { return store_.load_note(name); });
}

net::Task<Result<void>> StoreThread::save_note(std::string name, std::string text) {
  co_return co_await in_store([this, &name, &text] { return store_.save_note(name, text); });
}

/// Records a write's outcome. The beginning and the end of a failure are told once.
void StoreThread::wrote(const Result<void>& written) {
  if (written) {
    const bool was_broken = !std::exchange(trouble_, {}).empty();
    if (was_broken && changed) changed(true, "the store can be written again");
    return;
  }
  if (written.error().kind == ErrorKind::not_permitted && deposed) deposed(written.error().message);
  if (trouble_.empty()) {
    const auto text = written.error().message +
                      ". Shards are served from memory meanwhile; new shards and new ids wait until it works";
    if (changed) changed(false, text);
  }
  trouble_ = written.error().message;
}

}  // namespace smaster::server
