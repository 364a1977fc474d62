#include "server/persistence/row_writer.hpp"

#include <utility>

namespace smaster::server {
namespace {

namespace asio = net::asio;

constexpr std::size_t kSavedAtOnce = 200;  ///< rows, handed over in one turn of the loop

}  // namespace

void RowWriter::save_soon(Shard& shard) {
  if (!std::exchange(shard.dirty, true)) dirty_.push_back(shard.info.id);
}

void RowWriter::saw(Shard& shard) {
  if (shard.info.last_seen >= shard.seen_saved + kSeen) save_soon(shard);
}

/// The row as it is saved.
fleet::ShardInfo RowWriter::taken(Shard& shard) {
  shard.seen_saved = shard.info.last_seen;
  return shard.info;
}

net::Task<Result<void>> RowWriter::save_row(ShardName name) {
  if (batches_.empty() || batches_.back()->names.size() >= kSavedAtOnce) {
    batches_.push_back(std::make_shared<Batch>(context_.get_executor()));
  }
  const auto batch = batches_.back();
  batch->names.insert(std::move(name));
  if (!saving_batches_) tasks_.spawn("save rows", save_batches());
  if (!batch->done) co_await batch->written.wait();
  co_return batch->result;
}

/// Writes batches one after another: rows requested during a write form the next batch, so that a thousand
/// concurrent handshakes wait for few writes.
net::Task<> RowWriter::save_batches() {
  const auto busy = saving_batches_.begin();
  while (!batches_.empty()) {
    const auto batch = std::move(batches_.front());
    batches_.pop_front();
    std::vector<fleet::ShardInfo> infos;
    for (const auto& name : batch->names) {
      if (auto* const shard = directory_.find(name)) infos.push_back(taken(*shard));
    }
    try {
      batch->result = co_await store_.save(infos);
    } catch (const std::exception& failure) {  // handshakes wait for it
      batch->result =
          fail(ErrorKind::internal, std::string("the registry is not written: ") + failure.what());
    }
    if (!batch->result) {
      for (const auto& name : batch->names) {
        if (auto* const shard = directory_.find(name)) save_soon(*shard);
      }
    }
    batch->done = true;
    batch->written.notify();
  }
}

/// Saves kSavedAtOnce rows at a time. Each is passed to the store's thread in the turn in which it was
/// copied, so that an older state of a row never overwrites a newer one.
net::Task<Result<void>> RowWriter::flush() {
  Result<void> written;
  // Rows that become dirty meanwhile are left out. A concurrent flush, at shutdown, may take some of the
  // others.
  for (auto left = dirty_.size(); left > 0 && written;) {
    std::vector<fleet::ShardInfo> infos;
    for (; left > 0 && !dirty_.empty() && infos.size() < kSavedAtOnce; --left) {
      auto* const shard = directory_.find(dirty_.front());
      dirty_.pop_front();
      if (shard != nullptr && std::exchange(shard->dirty, false)) infos.push_back(taken(*shard));
    }
    if (infos.empty()) break;
    written = co_await store_.save(infos);
    if (written) continue;
    for (const auto& info : infos) {
      if (auto* const shard = directory_.find(info.id)) save_soon(*shard);
    }
  }
  co_return written;
}

}  // namespace smaster::server
