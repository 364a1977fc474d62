// Packets whose attachments are still to come: what they may hold, of one key and of all.
#include <gtest/gtest.h>

#include "wire/socketio/assembler.hpp"

namespace smaster::socketio {
namespace {

class Assembly : public testing::Test {
 protected:
  /// The text of an event with so many attachments, about 50 bytes.
  static std::string header(int attachments) {
    std::string text = "5" + std::to_string(attachments) + "-[\"x\"";
    for (int i = 0; i < attachments; ++i)
      text += ",{\"_placeholder\":true,\"num\":" + std::to_string(i) + "}";
    return text + ']';
  }
  std::unique_ptr<Assembler> begin(const std::string& key) {
    auto assembler = std::make_unique<Assembler>(budget_, key);
    EXPECT_TRUE(assembler->receive(false, header(2)));
    return assembler;
  }
  static bool attach(Assembler& assembler, std::size_t bytes) {
    return assembler.receive(true, std::string(bytes, 'x')).has_value();
  }
  AssemblyBudget budget_{{10'000, 30'000}};
};

TEST_F(Assembly, ConnectionsOfOneKeyShareItsBytes) {
  const auto one = begin("abc");
  const auto two = begin("abc");
  EXPECT_TRUE(attach(*one, 6'000));
  const auto refused = two->receive(true, std::string(6'000, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("10000 bytes"), std::string::npos) << refused.error().message;
  const auto other = begin("abd");
  EXPECT_TRUE(attach(*other, 6'000));
}

TEST_F(Assembly, WhatIsCompleteOrEndedCountsNoLonger) {
  {
    const auto ended = begin("abc");
    EXPECT_TRUE(attach(*ended, 9'000));
  }
  EXPECT_EQ(budget_.held(), 0u);
  const auto complete = begin("abc");
  EXPECT_TRUE(attach(*complete, 4'000));
  EXPECT_TRUE(attach(*complete, 4'000));
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(Assembly, WhenAllHoldTooMuchTheKeyWithTheMostLosesItsPacket) {
  std::vector<std::unique_ptr<Assembler>> greedy;
  for (const char* key : {"aaa", "bbb", "ccc"}) {
    greedy.push_back(begin(key));
    EXPECT_TRUE(attach(*greedy.back(), key[0] == 'b' ? 9'800 : 9'500));
  }
  const auto modest = begin("ddd");
  EXPECT_TRUE(attach(*modest, 5'000)) << "it is not the one that holds too much";
  EXPECT_LE(budget_.held(), 30'000u);
  const auto gone = greedy[1]->receive(true, "x");
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().message.find("most memory"), std::string::npos) << gone.error().message;
  EXPECT_TRUE(attach(*greedy[0], 100));
}

TEST_F(Assembly, TheGreediestIsRefusedItself) {
  const auto one = begin("aaa");
  EXPECT_TRUE(attach(*one, 9'000));
  std::vector<std::unique_ptr<Assembler>> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(begin("other" + std::to_string(i)));
    EXPECT_TRUE(attach(*others.back(), 5'000));
  }
  EXPECT_FALSE(attach(*one, 900)) << "30,000 bytes are nearly held, and it has the most";
  for (const auto& other : others) EXPECT_TRUE(attach(*other, 10));
}

TEST_F(Assembly, TextsOfPacketsCountToo) {
  const auto one = std::make_unique<Assembler>(budget_, "abc");
  EXPECT_FALSE(one->receive(
      false, "51-[\"x\",\"" + std::string(10'000, 'x') + "\",{\"_placeholder\":true,\"num\":0}]"));
}

TEST_F(Assembly, WithoutABudgetThereIsNoBound) {
  Assembler client;
  EXPECT_TRUE(client.receive(false, header(2)));
  EXPECT_TRUE(attach(client, 100'000));
}

}  // namespace
}  // namespace smaster::socketio
