#include "server/persistence/status_history.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "net/clock.hpp"

namespace smaster::server {
namespace {

/// Maximum number of shards whose blocks are copied in one turn of the loop.
constexpr std::size_t kShardsInOneTurn = 500;

}  // namespace

Time StatusHistory::oldest() const { return net::wall_clock() - settings_.history_length; }

void StatusHistory::add(Shard& shard, const fleet::ShardStatus& status) {
  if (shard.past == nullptr) shard.past = &recent_.of(shard.info.id);
  recent_.add(*shard.past, status, net::wall_clock(),
              fleet::gateway_sample(status, shard.gateway.standing()));
}

net::Task<Result<std::vector<fleet::Sample>>> StatusHistory::read(ShardName name, Time since) {
  since = std::max(since, oldest());
  // Copy the unsaved blocks first: a block saved meanwhile is then found twice, rather than not at all.
  auto held = recent_.held(name);
  co_return co_await store_.with_history(
      [&](store::HistoryStore& past) -> Result<std::vector<fleet::Sample>> {
        auto blocks = past.load_history(name, since);
        if (!blocks) return blocks.error();
        std::erase_if(*blocks, [&](const fleet::SampleBlock& saved) {
          return std::any_of(held.begin(), held.end(),
                             [&](const auto& block) { return block.first == saved.first; });
        });
        std::move(held.begin(), held.end(), std::back_inserter(*blocks));
        return fleet::merge(*blocks, since);
      });
}

net::Task<Result<void>> StatusHistory::import(std::vector<fleet::SampleBlock> blocks) {
  co_return co_await store_.save_history(blocks, oldest());
}

net::Task<std::vector<fleet::SampleBlock>> StatusHistory::take_unsaved() {
  auto blocks = recent_.take_unsaved(kShardsInOneTurn);
  // Blocks that grow again meanwhile are left to the next flush.
  for (auto left = recent_.grown(); left > 0; left -= std::min(left, kShardsInOneTurn)) {
    co_await net::asio::post(co_await net::asio::this_coro::executor, net::use_task);
    auto some = recent_.take_unsaved(kShardsInOneTurn);
    blocks.insert(blocks.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  co_return blocks;
}

net::Task<> StatusHistory::save(std::vector<fleet::SampleBlock> blocks, Result<void> before) {
  // A shard may have been revoked since its blocks were taken: the store has removed its history by now.
  std::erase_if(blocks, [this](const auto& block) { return !recent_.knows(block.shard); });
  if (blocks.empty()) co_return;
  const auto oldest = this->oldest();
  if (before) before = co_await store_.save_history(blocks, oldest);
  if (before) co_return;
  // Some in a turn; the last ones first, since blocks are put before those that are there.
  while (!blocks.empty()) {
    const auto first = blocks.end() - static_cast<std::ptrdiff_t>(std::min(blocks.size(), kShardsInOneTurn));
    recent_.put_back({std::make_move_iterator(first), std::make_move_iterator(blocks.end())});
    blocks.erase(first, blocks.end());
    co_await net::asio::post(co_await net::asio::this_coro::executor, net::use_task);
  }
}

}  // namespace smaster::server
