// Files on their way to shards: answers that come late, shards that leave or are revoked meanwhile, and what
// stays behind.
#include <fstream>

#include "fleet_fixture.hpp"
#include "server/requests/files.hpp"

namespace smaster::server {
namespace {

using std::chrono::minutes;

class Sent : public FleetTest {
 protected:
  Sent() {
    std::filesystem::create_directory(folder_ / "project");
    std::ofstream(folder_ / "project" / "file") << "text";
    server_->settings.project_dir = folder_ / "project";
    know({info("abc")});
    connect("abc");
  }

  /// Sends the file without being asked, until the shard has been sent it or this has ended.
  void push(Result<void>& result) {
    before_ = count();
    spawn(server_->files.push(name("abc"), "file"), result);
    EXPECT_TRUE(run_until([&] { return count() > before_ || tasks_.running() == 0; }));
  }
  std::size_t count() { return peer("abc").link.count("writeFile"); }

  std::size_t before_ = 0;
};

TEST_F(Sent, AFileIsThereWhenTheShardSaysSo) {
  Result<void> pushed;
  push(pushed);
  EXPECT_EQ(tasks_.running(), 1U);
  peer("abc").says(peer("abc").link.answer_to("writeFile", "null"));
  run();
  EXPECT_TRUE(pushed);
}

TEST_F(Sent, AnErrorOfTheShardIsTheOutcome) {
  for (const char* const error : {R"("no disk")", R"({"message":"no disk"})"}) {
    Result<void> pushed;
    push(pushed);
    peer("abc").says(peer("abc").link.answer_to("writeFile", error));
    run();
    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().message, "no disk");
  }
}

TEST_F(Sent, AnAnswerAfterTheTimeoutChangesNothing) {
  Result<void> pushed;
  push(pushed);
  const auto late = peer("abc").link.answer_to("writeFile", "null");
  pass(minutes(10));
  run();
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().kind, ErrorKind::timed_out);
  peer("abc").says(late);
  poll();
  EXPECT_EQ(pushed.error().kind, ErrorKind::timed_out);
}

TEST_F(Sent, AShardThatLeavesBeforeItHasAnsweredHasNoFile) {
  Result<void> pushed;
  push(pushed);
  leave(peer("abc"));
  run();
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().kind, ErrorKind::unavailable);
}

TEST_F(Sent, AShardThatIsRevokedBeforeItHasAnsweredHasNoFile) {
  Result<void> pushed;
  push(pushed);
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  run();
  EXPECT_TRUE(removed);
  EXPECT_FALSE(pushed);
  EXPECT_EQ(server_->files.waiting(), 0U);
}

TEST_F(Sent, AShardThatConnectsAgainWhileTheFileIsOpenedGetsIt) {
  Result<void> pushed;
  spawn(server_->files.push(name("abc"), "file"), pushed);
  leave(peer("abc"));
  connect("abc");
  EXPECT_TRUE(run_until([&] { return count() > 0 || tasks_.running() == 0; }));
  ASSERT_TRUE(peer("abc").link.has("writeFile"));
  peer("abc").says(peer("abc").link.answer_to("writeFile", "null"));
  run();
  EXPECT_TRUE(pushed);
}

TEST_F(Sent, AShardThatLeavesWhileTheFileIsOpenedIsNotWaitedFor) {
  Result<void> pushed;
  spawn(server_->files.push(name("abc"), "file"), pushed);
  leave(peer("abc"));
  run();
  EXPECT_FALSE(pushed);
  EXPECT_EQ(server_->files.waiting(), 0U);
}

TEST_F(Sent, AFileForAnEarlierConnectionIsNotSentOnTheNextOne) {
  Result<void> given;
  const auto ref = peer("abc").session->ref();
  spawn(server_->files.give(ref, {"file", std::nullopt}), given);
  leave(peer("abc"));
  connect("abc");
  run();
  EXPECT_FALSE(given);
  EXPECT_EQ(count(), 0U) << "this one has not asked";
}

TEST_F(Sent, AFileWhosePlaceIsTakenByThoseBeforeItIsSentWhenTheyHaveEnded) {
  const auto most = std::max<std::size_t>(server_->descriptors.limits().files / 4, 1);
  std::vector<Result<void>> results(std::min<std::size_t>(most, 50) + 1);
  for (auto& result : results) spawn(server_->files.push(name("abc"), "file"), result);
  leave(peer("abc"));
  run();
  for (const auto& result : results) EXPECT_FALSE(result);
  EXPECT_EQ(server_->files.waiting(), 0U) << "no place is lost";
  connect("abc");
  Result<void> pushed;
  push(pushed);
  peer("abc").says(peer("abc").link.answer_to("writeFile", "null"));
  run();
  EXPECT_TRUE(pushed);
}

TEST_F(Sent, AShardThatAsksAndLeavesGetsNoAnswer) {
  peer("abc").says(R"(27["getFile","none"])");
  leave(peer("abc"));
  auto& back = connect("abc");
  EXPECT_TRUE(run_until([&] { return server_->tasks.running() == 0; }));
  EXPECT_FALSE(back.link.has("37["));
}

TEST_F(Sent, WhatAShardWritesIsWrittenThoughItHasLeft) {
  peer("abc").says(R"(51-7["writeFile","other",{"_placeholder":true,"num":0}])");
  peer("abc").session->receive(true, "bytes");
  leave(peer("abc"));
  EXPECT_TRUE(run_until([&] { return server_->tasks.running() == 0; }));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "project" / "other"));
  EXPECT_EQ(server_->files.waiting(), 0U);
}

}  // namespace
}  // namespace smaster::server
