// The dashboard's view of a fleet that changes while it is read, sent and scanned: nothing is missing,
// nothing stays that is gone, and nothing counts twice.
#include "server/dashboard/fleet_view.hpp"

#include <boost/json/array.hpp>

#include "fleet_fixture.hpp"
#include "json/json.hpp"

namespace smaster::server {
namespace {

using std::chrono::seconds;
using Names = std::set<std::string>;

class FleetViews : public FleetTest {
 protected:
  FleetViews() { server_->settings.auto_generate = false; }
  void TearDown() override {
    view_.stop();
    fake().go_on();
    EXPECT_TRUE(run_until([this] { return ended_; }));
    FleetTest::TearDown();
  }

  void begin() { view_tasks_.spawn("view", note_end(view_.run(), ended_)); }
  [[nodiscard]] bool until_moment(std::uint64_t moment) {
    return run_until([&] { return view_.moment() >= moment; });
  }
  /// The fleet is scanned once more.
  void scan() {
    const auto next = view_.moment() + 1;
    pass(seconds(1));
    ASSERT_TRUE(until_moment(next));
    poll();
  }
  /// The past is read, and the view waits for its next scan.
  void follow() {
    begin();
    ASSERT_TRUE(until_moment(1));
    settle();
    scan();
  }
  std::string piece(const net::Pieces& pieces) {
    std::optional<Result<std::string>> next;
    spawn(pieces(), next);
    EXPECT_TRUE(run_until([&] { return next.has_value(); }));
    return **next;
  }
  std::string text(const net::Pieces& pieces, std::string whole = "") {
    for (auto next = piece(pieces); !next.empty(); next = piece(pieces)) whole += next;
    return whole;
  }
  static boost::json::object object(const std::string& text) {
    auto value = json::parse(text);
    EXPECT_TRUE(value && value->is_object()) << text.substr(0, 1000);
    return value && value->is_object() ? value->get_object() : boost::json::object();
  }
  boost::json::object changes(std::uint64_t since) { return object(text(view_.changes(since))); }
  static Names names_of(const boost::json::object& answer, const char* list) {
    Names names;
    for (const auto& entry : answer.at(list).as_array()) {
      names.emplace(entry.is_string() ? entry.as_string() : entry.at("name").as_string());
    }
    return names;
  }
  static std::string events_of(const boost::json::object& answer) {
    std::string all;
    for (const auto& event : answer.at("events").as_array()) {
      all.append(event.at("text").as_string()).append("; ");
    }
    return all;
  }
  /// The starts of the bot that the graph of this shard has.
  double starts(const std::string& who) {
    const auto graph = object(text(view_.series(fleet::Metric::starts, fleet::kHour, {who}, false)));
    const auto* const values = graph.at("shards").as_object().if_contains(who);
    double sum = 0;
    for (const auto& value : values != nullptr ? values->as_array() : boost::json::array()) {
      if (value.is_number()) sum += value.to_number<double>();
    }
    return sum;
  }
  void revoke(std::vector<ShardName> names) { spawn(registration().remove(std::move(names)), revoked_); }
  /// aaa, aab, …
  static std::string numbered(int number) {
    std::string text;
    for (const int place : {26 * 26, 26, 1}) text += static_cast<char>('a' + number / place % 26);
    return text;
  }
  static std::vector<ShardName> many(int count) {
    std::vector<ShardName> names;
    for (int i = 0; i < count; ++i) names.push_back(name(numbered(i)));
    return names;
  }
  void know_many(int count) {
    std::vector<fleet::ShardInfo> shards;
    for (const auto& each : many(count)) shards.push_back(info(each.str()));
    know(std::move(shards));
    server_->start();
  }
  /// The store does nothing until fake().go_on().
  void hold_store() {
    fake().hold();
    const auto write = [](StoreThread& store) -> net::Task<> { (void)co_await store.save_note("hold", ""); };
    tasks_.spawn("hold", write(server_->store));
    poll();
  }

  FleetView view_{{context_, server_->stats, server_->history, server_->event_list}};
  net::TaskScope view_tasks_{context_.get_executor(), "view"};
  bool ended_ = false;
  Result<void> revoked_;
};

TEST_F(FleetViews, AChangeIsToldOnce) {
  command({"abc", "abd"});
  follow();
  EXPECT_EQ(names_of(changes(0), "rows"), (Names{"abc", "abd"}));
  const auto before = view_.moment();
  peer("abc").says(status_text(0, 2, 1'000));
  scan();
  const auto answer = changes(before);
  EXPECT_EQ(names_of(answer, "rows"), Names{"abc"});
  const auto after = changes(view_.moment());
  EXPECT_EQ(names_of(after, "rows"), Names());
  EXPECT_EQ(events_of(after), "");
}

TEST_F(FleetViews, FiguresAloneChangeNoRow) {
  command({"abc"});
  peer("abc").says(status_text(0, 1, 1'000));
  follow();
  scan();
  const auto before = view_.moment();
  peer("abc").says(status_text(0, 1, 1'000));
  scan();
  EXPECT_EQ(names_of(changes(before), "rows"), Names());
}

TEST_F(FleetViews, EventsOfThePastAndNewOnesAreToldOnce) {
  server_->events.record({.kind = fleet::EventKind::stood, .text = "past"});
  command({"abc"});
  hold_store();
  begin();
  ASSERT_TRUE(until_moment(1));
  server_->events.record({.kind = fleet::EventKind::stood, .text = "meanwhile"});
  fake().go_on();
  settle();
  scan();
  const auto all = events_of(changes(0));
  EXPECT_LT(all.find("past; "), all.find("meanwhile; ")) << all;
  EXPECT_EQ(all.find("meanwhile; "), all.rfind("meanwhile; ")) << all;
  const auto before = view_.moment();
  server_->events.record({.kind = fleet::EventKind::stood, .text = "now"});
  EXPECT_EQ(events_of(changes(before)), "") << "with the next moment";
  scan();
  EXPECT_EQ(events_of(changes(before)), "now; ");
}

TEST_F(FleetViews, TheGraphOfAHostHasOnlyItsShards) {
  server_->settings.count = ShardCount{2};
  know({with_id("abc", 0, 2), with_id("abd", 1, 2)});
  server_->start();
  connect("abc", R"({"agent":"1","instance":"one","boot":"b","machine":"m","term":20000,"host":"fra1"})");
  connect("abd");
  peer("abc").says(status_text(0, 2, 1'000));
  peer("abd").says(status_text(1, 2, 1'000));
  follow();
  const auto sum = [this](const std::string& host) {
    const auto graph = object(text(view_.series(fleet::Metric::starts, fleet::kHour, {}, false, host)));
    double all = 0;
    for (const auto& value : graph.at("sum").as_array())
      all += value.is_number() ? value.to_number<double>() : 0;
    return all;
  };
  EXPECT_EQ(sum(""), 2);
  EXPECT_EQ(sum("fra1"), 1);
  EXPECT_EQ(sum("fra2"), 0);
}

TEST_F(FleetViews, WhatHasNotBeenScannedIsNotToldYet) {
  command({"abc"});
  EXPECT_EQ(names_of(changes(0), "rows"), Names()) << "it has not begun";
  follow();
  const auto before = view_.moment();
  leave(peer("abc"));
  EXPECT_EQ(names_of(changes(before), "rows"), Names());
  scan();
  EXPECT_EQ(names_of(changes(before), "rows"), Names{"abc"});
}

TEST_F(FleetViews, ARevokedShardIsGoneForThoseWhoKnewIt) {
  command({"abc", "abd"});
  follow();
  const auto before = view_.moment();
  revoke({name("abd")});
  scan();
  EXPECT_EQ(names_of(changes(before), "gone"), Names{"abd"});
  EXPECT_EQ(names_of(changes(0), "gone"), Names());
  EXPECT_EQ(names_of(changes(0), "rows"), Names{"abc"});
}

TEST_F(FleetViews, WhoMissesMoreRevokedShardsThanAreKnownNeedsEverythingAgain) {
  know_many(1'000);
  follow();
  auto before = view_.moment();
  auto names = many(400);
  revoke(names);
  settle();
  scan();
  EXPECT_TRUE(view_.knows(before));
  EXPECT_EQ(names_of(changes(before), "gone").size(), 400U);
  before = view_.moment();
  names = many(1'000);
  names.erase(names.begin(), names.begin() + 400);
  revoke(names);
  settle();
  scan();
  EXPECT_LT(names_of(changes(before), "gone").size(), 600U);
  EXPECT_FALSE(view_.knows(before));
  EXPECT_TRUE(view_.knows(view_.moment()));
  EXPECT_TRUE(view_.knows(0));
}

TEST_F(FleetViews, AnAnswerAndTheNextAreTheWholeThoughTheFleetChangesWhileTheFirstIsSent) {
  know_many(1'000);
  follow();
  const auto told = view_.moment();
  const auto pieces = view_.changes(0);
  auto sent = piece(pieces);
  const auto early = numbered(1);
  const auto late = numbered(999);
  EXPECT_EQ(sent.find(late), std::string::npos) << "it is not all in one piece";
  revoke({name(numbered(0)), name(numbered(998))});
  connect(early);
  connect(late);
  scan();
  const auto answer = object(text(pieces, std::move(sent)));
  const auto next = changes(told);
  auto known = names_of(answer, "rows");
  EXPECT_FALSE(known.contains(late)) << "its row is of the next moment";
  EXPECT_EQ(names_of(next, "rows"), (Names{early, late}));
  known.merge(names_of(next, "rows"));
  for (const auto& each : names_of(next, "gone")) known.erase(each);
  EXPECT_EQ(known, names_of(changes(0), "rows"));
  EXPECT_EQ(known.size(), 998U);
}

/// Its statuses are no signs of life, as it has no messages.
TEST_F(FleetViews, ThePastAndThePresentOfAQuietBotAreInTheGraphs) {
  command({"abc", "abd"});
  peer("abc").says(status_text(0, 2, 1'000));
  follow();
  EXPECT_EQ(starts("abc"), 1);
  EXPECT_EQ(starts("abd"), 0);
  peer("abc").says(status_text(0, 2, 2'000));
  scan();
  EXPECT_EQ(starts("abc"), 2);
  scan();
  EXPECT_EQ(starts("abc"), 2);
}

TEST_F(FleetViews, AStatusThatComesWhileThePastIsReadIsInTheGraphsOnce) {
  command({"abc"});
  peer("abc").says(status_text(0, 1, 1'000));
  hold_store();
  begin();
  ASSERT_TRUE(until_moment(1));
  poll();
  pass(Millis{10});
  peer("abc").says(status_text(0, 1, 2'000));
  fake().go_on();
  settle();
  scan();
  EXPECT_EQ(starts("abc"), 2);
  scan();
  EXPECT_EQ(starts("abc"), 2);
}

TEST_F(FleetViews, AShardThatIsRevokedWhileItsPastIsReadHasNoGraph) {
  command({"abc", "abd"});
  peer("abc").says(status_text(0, 2, 1'000));
  hold_store();
  begin();
  ASSERT_TRUE(until_moment(1));
  poll();
  revoke({name("abc")});
  fake().go_on();
  settle();
  scan();
  const auto graph = object(text(view_.series(fleet::Metric::starts, fleet::kHour, {}, true)));
  EXPECT_FALSE(graph.at("shards").as_object().contains("abc"));
  EXPECT_EQ(names_of(changes(0), "rows"), Names{"abd"});
}

TEST_F(FleetViews, AShardThatIsBackWhileThePastOfItsNameIsReadIsNew) {
  command({"abc", "abd"});
  peer("abd").says(status_text(1, 2, 1'000));
  hold_store();
  begin();
  ASSERT_TRUE(until_moment(1));
  poll();
  revoke({name("abd")});
  pass(seconds(1));  // the next scan is due when abc's past has been read
  fake().go_on();
  ASSERT_TRUE(until_moment(2));
  directory().insert(info("abd"));  // abd's past is being read
  settle();
  scan();
  EXPECT_EQ(names_of(changes(2), "rows"), Names{"abd"});
  EXPECT_EQ(starts("abd"), 0) << "those were another's";
}

TEST_F(FleetViews, StoppingWhileThePastIsReadEndsIt) {
  know_many(3);
  hold_store();
  begin();
  ASSERT_TRUE(until_moment(1));
  view_.stop();
  poll();
  EXPECT_FALSE(ended_);
  fake().go_on();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(view_.moment(), 1U);
}

TEST_F(FleetViews, StoppingEndsThePause) {
  command({"abc"});
  follow();
  view_.stop();
  ASSERT_TRUE(run_until([this] { return ended_; }));
}

}  // namespace
}  // namespace smaster::server
