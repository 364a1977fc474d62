// Who gets a connection when there are few: the shares of the descriptors, and whom a crowd loses first.
#include <gtest/gtest.h>

#include "net/crowd.hpp"
#include "net/descriptors.hpp"

namespace smaster::net {
namespace {

TEST(DescriptorLimits, SharesLeaveWhatTheServerNeedsItself) {
  for (const std::size_t total : {256u, 300u, 1024u, 4096u, 65'536u, 1'000'000u}) {
    const auto limits = share_out(total);
    EXPECT_LE(limits.own + limits.port + limits.of(Share::control) + limits.of(Share::dashboard), total)
        << total;
    EXPECT_LE(limits.of(Share::strangers), limits.port / 2) << total;
    EXPECT_LT(limits.of(Share::shards), limits.port) << total << ": strangers would never get in";
    EXPECT_GE(limits.of(Share::shards), total / 2) << total;
    EXPECT_GE(limits.of(Share::control), 16u) << total;
    EXPECT_LT(limits.files, limits.own) << total;
  }
}

TEST(DescriptorLimits, TooFewAreStillSharedOut) {
  for (const std::size_t total : {0u, 10u, 64u}) {
    const auto limits = share_out(total);
    for (const auto share : kAllShares) EXPECT_GT(limits.of(share), 0u) << total << to_string(share);
  }
}

class DescriptorShares : public testing::Test {
 protected:
  /// As many places as there are to get.
  std::vector<Place> take_all(Share share) {
    std::vector<Place> places;
    while (auto place = descriptors_.take(share)) places.push_back(std::move(place));
    return places;
  }
  asio::io_context context_;
  Descriptors descriptors_{context_};
};

TEST_F(DescriptorShares, StrangersTakeNothingFromOperatorsOrShards) {
  auto strangers = take_all(Share::strangers);
  EXPECT_EQ(strangers.size(), descriptors_.limits().of(Share::strangers));
  EXPECT_TRUE(descriptors_.take(Share::control));
  EXPECT_TRUE(descriptors_.take(Share::dashboard));
  EXPECT_TRUE(strangers.front().move_to(Share::shards));
  EXPECT_TRUE(descriptors_.take(Share::strangers)) << "its place is free again";
}

TEST_F(DescriptorShares, PlaceIsFreeWhenItsConnectionEnds) {
  auto dashboards = take_all(Share::dashboard);
  EXPECT_FALSE(descriptors_.take(Share::dashboard));
  dashboards.pop_back();
  EXPECT_TRUE(descriptors_.take(Share::dashboard));
  dashboards.front().release();
  EXPECT_EQ(descriptors_.open(Share::dashboard), dashboards.size() - 1);
}

TEST_F(DescriptorShares, WhatIsFullIsToldWithWhatToDo) {
  EXPECT_EQ(descriptors_.trouble(), "");
  descriptors_.full(Share::strangers);
  descriptors_.full(Share::strangers);
  EXPECT_EQ(descriptors_.refused(Share::strangers), 2u);
  EXPECT_NE(descriptors_.trouble().find("LimitNOFILE"), std::string::npos);
  EXPECT_FALSE(descriptors_.is_exhausted());
  bool asked = false;
  descriptors_.drop_stranger = [&] { return asked = true; };
  EXPECT_TRUE(descriptors_.exhausted());
  EXPECT_TRUE(asked && descriptors_.is_exhausted());
}

class CrowdTest : public testing::Test {
 protected:
  struct Visitor final : Crowd::Member {
    Visitor(Crowd& crowd, const std::string& address, std::string name, std::vector<std::string>& gone)
        : Member(crowd, address), name_(std::move(name)), gone_(gone) {}
    void drop() override { gone_.push_back(name_); }
    std::string name_;
    std::vector<std::string>& gone_;
  };
  Visitor& come(const std::string& address, const std::string& name, Crowd::Rank rank = Crowd::Rank::silent) {
    visitors_.push_back(std::make_unique<Visitor>(crowd_, address, name, gone_));
    visitors_.back()->waits(rank);
    return *visitors_.back();
  }
  Crowd crowd_;
  std::vector<std::string> gone_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
};

TEST_F(CrowdTest, AddressWithTheMostLosesItsOldest) {
  come("home", "first");
  for (const char* name : {"a", "b", "c"}) come("flood", name);
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_EQ(gone_, (std::vector<std::string>{"a", "b"}));
}

TEST_F(CrowdTest, WhereNoAddressHasAQuarterTheOldestOfAllGoes) {
  for (int i = 0; i < 16; ++i) come("flood" + std::to_string(i), "f" + std::to_string(i));
  for (int i = 0; i < 4; ++i) come("home", "h" + std::to_string(i));
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_EQ(gone_, (std::vector<std::string>{"f0", "f1"}));
}

TEST_F(CrowdTest, TheLatestWhoShowedWhoseTheyAreAreRemembered) {
  crowd_.vouch("home");
  for (int i = 0; i < 4095; ++i) crowd_.vouch(std::to_string(i));
  EXPECT_TRUE(crowd_.vouched("home"));
  crowd_.vouch("home");
  crowd_.vouch("another");
  EXPECT_TRUE(crowd_.vouched("home") && crowd_.vouched("another"));
  EXPECT_FALSE(crowd_.vouched("0"));
}

TEST_F(CrowdTest, WhoIsServedIsNotDropped) {
  auto& busy = come("x", "busy");
  come("x", "silent");
  busy.busy();
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_FALSE(crowd_.drop_one());
  EXPECT_EQ(gone_, std::vector<std::string>{"silent"});
}

TEST_F(CrowdTest, WhoWaitsAnewWaitsFromNowOn) {
  auto& first = come("x", "first");
  come("x", "second");
  first.waits(Crowd::Rank::silent);
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_EQ(gone_, std::vector<std::string>{"second"});
}

TEST_F(CrowdTest, StrangersGoBeforeThoseThatAreKnown) {
  come("x", "reader", Crowd::Rank::reader);
  come("x", "known", Crowd::Rank::known);
  come("x", "silent");
  while (crowd_.drop_one()) {
  }
  EXPECT_EQ(gone_, (std::vector<std::string>{"silent", "known", "reader"}));
}

TEST_F(CrowdTest, ReadersLeaveRoomForThoseWhoHaveYetToSpeak) {
  for (const char* name : {"1", "2", "3", "4", "5", "6", "7"}) come("flood", name, Crowd::Rank::reader);
  come("home", "new");
  EXPECT_TRUE(crowd_.drop_one());
  EXPECT_EQ(gone_, std::vector<std::string>{"1"});
}

TEST_F(CrowdTest, MembersMayOutliveIt) {
  auto crowd = std::make_unique<Crowd>();
  Visitor visitor(*crowd, "x", "late", gone_);
  visitor.waits(Crowd::Rank::silent);
  crowd.reset();
  visitor.busy();
}

TEST_F(CrowdTest, WhoLeavesIsForgotten) {
  come("x", "gone");
  visitors_.clear();
  EXPECT_EQ(crowd_.size(), 0u);
  EXPECT_FALSE(crowd_.drop_one());
}

}  // namespace
}  // namespace smaster::net
