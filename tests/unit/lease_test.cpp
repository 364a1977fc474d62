#include "agent/bot/lease.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace smaster::agent {
namespace {

using std::chrono::seconds;

BootTime at(int second) { return BootTime(seconds(second)); }

struct LeaseTest : testing::Test {
  LeaseTest() {
    lease.set_term(seconds(60));
    lease.connected(at(1000));
  }
  Lease lease;
};

TEST_F(LeaseTest, AnAnswerCountsFromWhenItsQuestionWasAsked) {
  lease.answered(at(1010), seconds(60));
  EXPECT_EQ(lease.until(), at(1070));
  lease.answered(at(1030), seconds(60));
  EXPECT_EQ(lease.until(), at(1090));
  lease.answered(at(1020), seconds(60));
  EXPECT_EQ(lease.until(), at(1090)) << "an older one takes nothing back";
}

TEST_F(LeaseTest, WhatAMasterThatAnswersSaysOtherwiseMayBeOld) {
  lease.answered(at(1010), seconds(60));
  lease.heard(at(1060));
  EXPECT_EQ(lease.until(), at(1070));
}

TEST_F(LeaseTest, OfOneThatDoesNotAnswerEachWordCounts) {
  lease.heard(at(1050));
  EXPECT_EQ(lease.until(), at(1110));
}

TEST_F(LeaseTest, OneThatDoesNotAnswerMayBeQuietForAsLongAsAHeartbeatTakes) {
  lease.set_term(seconds(2));
  EXPECT_EQ(lease.until(), at(1045));
  lease.disconnected();
  EXPECT_EQ(lease.until(), at(1002));
  lease.connected(at(1100));
  lease.answered(at(1101), seconds(2));
  EXPECT_EQ(lease.until(), at(1103)) << "one that answers is asked often enough";
}

TEST_F(LeaseTest, ALeaseThatIsOverIsRenewedByANewConnectionAlone) {
  lease.answered(at(1010), seconds(60));
  EXPECT_FALSE(lease.over(at(1069)));
  EXPECT_TRUE(lease.over(at(1070)));
  lease.heard(at(1080));
  lease.answered(at(1075), seconds(60));
  EXPECT_TRUE(lease.over(at(1080)));
  lease.connected(at(1090));
  EXPECT_FALSE(lease.over(at(1091)));
}

TEST_F(LeaseTest, AShorterTermCountsFromTheQuestionThatTellsTheMasterOfIt) {
  lease.answered(at(1010), seconds(60));
  lease.set_term(seconds(5));
  EXPECT_EQ(lease.until(), at(1070)) << "the last question is older than five seconds: that ends nothing";
  lease.asking(at(1050), lease.wanted_term());
  EXPECT_EQ(lease.until(), at(1055)) << "the master may have heard it, and its answer be lost";
  lease.answered(at(1050), seconds(5));
  EXPECT_EQ(lease.until(), at(1055));
  lease.asking(at(1052), seconds(5));
  EXPECT_EQ(lease.until(), at(1055));
  lease.answered(at(1052), seconds(5));
  EXPECT_EQ(lease.until(), at(1057));
}

TEST_F(LeaseTest, AShorterTermNeverProlongsTheLease) {
  lease.answered(at(1010), seconds(60));
  lease.asking(at(1068), seconds(5));
  EXPECT_EQ(lease.until(), at(1070));
}

TEST_F(LeaseTest, ALongerTermCountsFromItsAnswer) {
  lease.answered(at(1010), seconds(60));
  lease.set_term(seconds(120));
  lease.asking(at(1050), lease.wanted_term());
  EXPECT_EQ(lease.until(), at(1070));
  lease.answered(at(1050), seconds(120));
  EXPECT_EQ(lease.until(), at(1170));
}

TEST_F(LeaseTest, ANewConnectionThatWasBegunLongAgoIsNotNew) {
  lease.answered(at(1010), seconds(60));
  lease.disconnected();
  lease.connected(at(1005));
  EXPECT_EQ(lease.until(), at(1070));
}

TEST_F(LeaseTest, OfWhoIsRefusedItIsOverAtOnce) {
  lease.answered(at(1010), seconds(60));
  lease.end(at(1020));
  EXPECT_EQ(lease.until(), at(1020));
  lease.end(at(1030));
  EXPECT_EQ(lease.until(), at(1020)) << "and stays so";
}

TEST(LeasePage, AKeeperSeesWhatTheAgentWrites) {
  auto page = LeasePage::create();
  ASSERT_TRUE(page);
  void* const mapped = ::mmap(nullptr, sizeof(LeaseWord), PROT_READ, MAP_SHARED, page->descriptor(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const auto* const word = static_cast<const LeaseWord*>(mapped);
  EXPECT_EQ(word->load(), kNoLimit);
  EXPECT_TRUE(page->write(at(3)));
  EXPECT_EQ(word->load(), 3000);
  EXPECT_FALSE(page->write(at(4))) << "only of an earlier end they have to be told";
  ::munmap(mapped, sizeof(LeaseWord));
}

}  // namespace
}  // namespace smaster::agent
