// Whose file is sent next, and how many may be asked for.
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>

#include "server/fairness/transfers.hpp"

namespace smaster::server {
namespace {

class TransferTurns : public testing::Test {
 protected:
  struct Transfer {
    std::string shard;
    std::optional<Transfers::Ticket> ticket;
    Transfers::Turn turn;
  };
  /// Asks for a turn; it has one as soon as it gets one.
  std::shared_ptr<Transfer> ask(const std::string& shard) {
    auto transfer = std::make_shared<Transfer>();
    transfer->shard = shard;
    if (auto ticket = transfers_.enter(shard)) transfer->ticket.emplace(std::move(*ticket));
    if (transfer->ticket) net::asio::co_spawn(context_, wait(transfer), net::asio::detached);
    run();
    return transfer;
  }
  net::Task<> wait(std::shared_ptr<Transfer> transfer) {
    transfer->turn = co_await transfers_.take(*transfer->ticket);
  }
  void end(Transfer& transfer) {
    transfer.turn = {};
    run();
  }
  void run() {
    context_.restart();
    context_.poll();
  }
  net::asio::io_context context_;
  Transfers transfers_{context_, 2, 5, 3};
};

TEST_F(TransferTurns, FilesOfOneShardGoOneAfterTheOther) {
  const auto first = ask("aaa");
  const auto second = ask("aaa");
  const auto other = ask("bbb");
  EXPECT_TRUE(first->turn);
  EXPECT_FALSE(second->turn);
  EXPECT_TRUE(other->turn) << "another shard does not wait for it";
  end(*first);
  EXPECT_TRUE(second->turn);
}

TEST_F(TransferTurns, FewAreOpenAtOnce) {
  const auto first = ask("aaa");
  const auto second = ask("bbb");
  const auto third = ask("ccc");
  EXPECT_FALSE(third->turn);
  end(*second);
  EXPECT_TRUE(third->turn);
}

TEST_F(TransferTurns, MoreThanTheBoundsAreRefusedAtOnce) {
  std::vector<std::shared_ptr<Transfer>> some;
  for (int i = 0; i < 3; ++i) some.push_back(ask("aaa"));
  EXPECT_FALSE(ask("aaa")->ticket) << "three of one";
  for (int i = 0; i < 2; ++i) some.push_back(ask("bbb"));
  EXPECT_FALSE(ask("ccc")->ticket) << "five of all";
  EXPECT_EQ(transfers_.size(), 5u);
  end(*some.front());
  some.front()->ticket.reset();
  EXPECT_TRUE(ask("ccc")->ticket);
}

}  // namespace
}  // namespace smaster::server
