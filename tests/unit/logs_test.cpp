// Followers of the bots' output: when their agents are asked, asked again, and told to stop.
#include "server/logs/logs.hpp"

#include "fleet_fixture.hpp"

namespace smaster::server {
namespace {

using std::chrono::seconds;

class LogFollowers : public FleetTest {
 protected:
  static constexpr auto kAgent =
      R"({"agent":"1","processes":1,"shardsPerProcess":1,"instance":"i","boot":"b","machine":"m"})";
  static constexpr auto kAsked = R"(["logs",{)";
  static constexpr auto kStop = R"(["logs",{"lines":0,"follow":0}])";

  LogFollowers() {
    command({"abc", "abd"});
    for (const auto* const who : {"abc", "abd"}) connect(who, kAgent);
    poll();
  }

  std::shared_ptr<control::LineStream> follow(std::vector<int> ids = {0}) {
    LogRequest request;
    for (const int id : ids) request.ids.push_back(ShardId{id});
    request.follow = true;
    auto lines = std::make_shared<control::LineStream>(context_.get_executor());
    EXPECT_TRUE(server_->logs.read(request, lines));
    poll();
    return lines;
  }
  void answer(std::string_view who, const std::string& batch) {
    peer(who).says(peer(who).link.answer_to("logs", "null," + batch));
    poll();
  }
  void push(std::string_view who, const std::string& batch) {
    peer(who).says("2[\"logLines\"," + batch + ']');
    poll();
  }
  /// What a reader has not read grows by a line.
  static bool grows(const control::LineStream& lines, const std::function<void()>& step) {
    const auto before = lines.waiting();
    step();
    return lines.waiting() > before;
  }
  void leave_all(std::initializer_list<std::shared_ptr<control::LineStream>> readers) {
    for (const auto& lines : readers) lines->on_gone();
    pass(seconds(2));
    EXPECT_EQ(server_->logs.followers(), 0U);
  }
  std::size_t asked(std::string_view who) { return peer(who).link.count(kAsked); }
};

TEST_F(LogFollowers, AnAgentIsAskedAgainWhereItsLastAnswerEnded) {
  const auto lines = follow();
  EXPECT_EQ(asked("abc"), 1U);
  EXPECT_EQ(asked("abd"), 0U);
  answer("abc", R"({"ring":"r","next":5,"lines":[[1,1,"a"]]})");
  push("abc", R"({"ring":"r","next":7,"lines":[[2,1,"b"],[2,1,"c"]]})");
  pass(seconds(10));
  EXPECT_EQ(asked("abc"), 1U);
  for (int i = 0; i < 8; ++i) pass(seconds(1));
  EXPECT_EQ(asked("abc"), 2U);
  EXPECT_TRUE(peer("abc").link.has(R"("ring":"r","after":7,)"));
  // It has not answered: it is asked once more, not more often.
  for (int i = 0; i < 10; ++i) pass(seconds(1));
  EXPECT_EQ(asked("abc"), 2U);
  EXPECT_TRUE(grows(*lines, [this] { answer("abc", R"({"ring":"r","next":8,"lines":[[3,1,"d"]]})"); }));
  leave_all({lines});
}

TEST_F(LogFollowers, AShardThatReconnectsIsAskedAtOnce) {
  const auto lines = follow();
  answer("abc", R"({"ring":"r","next":5,"lines":[]})");
  leave(peer("abc"));
  poll();
  for (int i = 0; i < 3; ++i) pass(seconds(1));
  connect("abc", kAgent);
  EXPECT_EQ(asked("abc"), 0U);
  for (int i = 0; i < 2; ++i) pass(seconds(1));
  EXPECT_EQ(asked("abc"), 1U);
  EXPECT_TRUE(peer("abc").link.has(R"("ring":"r","after":5,)"));
  EXPECT_TRUE(grows(*lines, [this] { answer("abc", R"({"ring":"r","next":6,"lines":[[3,1,"d"]]})"); }));
  leave_all({lines});
}

TEST_F(LogFollowers, LinesGoToThoseWhoWantThemAndAnAgentWithoutAReaderIsToldToStop) {
  const auto first = follow({0});
  answer("abc", R"({"ring":"r","next":1,"lines":[]})");
  const auto second = follow({1});
  answer("abd", R"({"ring":"s","next":1,"lines":[]})");
  const auto line = [this] { push("abc", R"({"ring":"r","next":2,"lines":[[2,1,"b"]]})"); };
  EXPECT_FALSE(grows(*second, line));
  EXPECT_TRUE(grows(*first, line));
  EXPECT_FALSE(grows(*first, [this] { push("abc", R"({"ring":"r","next":2,"lines":[]})"); }));
  EXPECT_FALSE(peer("abc").link.has(kStop));
  first->on_gone();
  EXPECT_FALSE(grows(*second, line));
  EXPECT_TRUE(peer("abc").link.has(kStop));
  EXPECT_FALSE(peer("abd").link.has(kStop));
  leave_all({second});
  push("abd", R"({"ring":"s","next":3,"lines":[[2,1,"b"]]})");
  EXPECT_TRUE(peer("abd").link.has(kStop));
}

TEST_F(LogFollowers, AReaderThatComesLaterGetsNoLineTwice) {
  const auto first = follow();
  answer("abc", R"({"ring":"r","next":1,"lines":[]})");
  const auto second = follow();
  const auto line = [this] { push("abc", R"({"ring":"r","next":2,"lines":[[2,1,"b"]]})"); };
  EXPECT_FALSE(grows(*second, line)) << "its first answer, which is on its way, has this line";
  EXPECT_TRUE(grows(*first, line));
  answer("abc", R"({"ring":"r","next":2,"lines":[[2,1,"b"]]})");
  EXPECT_TRUE(grows(*second, line));
  leave_all({first, second});
}

TEST_F(LogFollowers, AreLimitedInNumber) {
  std::vector<std::shared_ptr<control::LineStream>> readers;
  for (std::size_t i = 0; i < Logs::kMostFollowers; ++i) readers.push_back(follow({}));
  LogRequest request;
  request.follow = true;
  const auto lines = std::make_shared<control::LineStream>(context_.get_executor());
  const auto refused = server_->logs.read(request, lines);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  request.follow = false;
  EXPECT_TRUE(server_->logs.read(request, lines)) << "only followers are limited";
  poll();
  for (const auto& reader : readers) reader->on_gone();
  leave_all({});
}

}  // namespace
}  // namespace smaster::server
