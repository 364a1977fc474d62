// Which troubles operators are told of, and when.
#include "server/events/alert_book.hpp"

#include <gtest/gtest.h>

#include <set>

namespace smaster::server {
namespace {

using Words = std::vector<std::string>;

class Book : public testing::Test {
 protected:
  /// "begins KEY", "lasts KEY", "over KEY" after `after` more.
  Words update(Millis after, const std::vector<AlertCondition>& conditions, Millis again = Millis{0}) {
    now_ += after;
    Words words;
    for (const auto& notice :
         book_.update(now_, conditions, again, [this](ShardId id) { return !down_.contains(id); })) {
      words.push_back((notice.kind == Notice::Kind::begins  ? "begins "
                       : notice.kind == Notice::Kind::lasts ? "lasts "
                                                            : "over ") +
                      notice.key);
    }
    return words;
  }
  static AlertCondition host(const std::string& label) {
    AlertCondition condition{"host " + label, "host " + label + " is down"};
    condition.host = label;
    return condition;
  }

  Time now_ = from_unix_ms(1'700'000'000'000);
  AlertBook book_;
  std::set<ShardId> down_;
};

/// The server is replaced: the next one knows what was told.
class RestartedBook : public Book {
 protected:
  static constexpr Millis kHeld{300'000};
  void restart() {
    const auto told = book_.told();
    book_ = {};
    book_.restore(told, now_, now_ + kHeld);
  }
  static AlertCondition about(const std::string& key, std::vector<ShardId> ids) {
    AlertCondition condition{key, key + " is wrong"};
    condition.ids = std::move(ids);
    return condition;
  }
};

TEST_F(Book, ATroubleIsToldOnceWhenItBeginsAndOnceWhenItIsOver) {
  EXPECT_EQ(update(Millis{0}, {host("a")}), Words{"begins host a"});
  EXPECT_EQ(update(Millis{5'000}, {host("a")}), Words{});
  EXPECT_EQ(update(Millis{5'000}, {}), Words{}) << "it may be back at once";
  EXPECT_EQ(update(Millis{5'000}, {host("a")}), Words{});
  EXPECT_EQ(update(Millis{5'000}, {}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over host a"});
  EXPECT_EQ(update(Millis{5'000}, {}), Words{});
  EXPECT_EQ(update(Millis{5'000}, {host("a")}), Words{"begins host a"});
}

TEST_F(Book, OneThatNeedsPatienceIsToldWhenItHasLasted) {
  auto slow = host("a");
  slow.patience = Millis{60'000};
  EXPECT_EQ(update(Millis{0}, {slow}), Words{});
  EXPECT_EQ(update(Millis{30'000}, {slow}), Words{});
  EXPECT_TRUE(book_.active().empty());
  EXPECT_EQ(update(Millis{30'000}, {slow}), Words{"begins host a"});
  EXPECT_EQ(book_.active().size(), 1U);
  EXPECT_EQ(book_.active()[0].since, now_ - Millis{60'000});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over host a"});
  EXPECT_EQ(update(Millis{0}, {slow}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{}) << "nobody was told that it began";
}

TEST_F(Book, OneThatLastsIsToldAgain) {
  const Millis again{3'600'000};
  EXPECT_EQ(update(Millis{0}, {host("a")}, again), Words{"begins host a"});
  EXPECT_EQ(update(again - Millis{1}, {host("a")}, again), Words{});
  EXPECT_EQ(update(Millis{1}, {host("a")}, again), Words{"lasts host a"});
  EXPECT_EQ(update(Millis{1}, {host("a")}, again), Words{});
}

TEST_F(Book, OneThatGrowsIsToldAgainAndItsEndNamesWhatWasTold) {
  AlertCondition down{"down", "id 1 is down"};
  down.ids = {ShardId{1}};
  EXPECT_EQ(update(Millis{0}, {down}), Words{"begins down"});
  down.ids = {ShardId{1}, ShardId{2}};
  down.text = "ids 1-2 are down";
  EXPECT_EQ(update(Millis{5'000}, {down}), Words{}) << "others may follow at once";
  EXPECT_EQ(update(AlertBook::kGrows, {down}), Words{"begins down"});
  down.ids = {ShardId{2}};
  down.text = "id 2 is down";
  EXPECT_EQ(update(AlertBook::kGrows, {down}), Words{}) << "it has shrunk";
  now_ += AlertBook::kSettle;
  const auto over = book_.update(now_, {}, Millis{0});
  ASSERT_EQ(over.size(), 1U);
  EXPECT_EQ(over[0].text, "ids 1-2 are down");
}

TEST_F(Book, OneThatIsAboutOtherIdsIsAnother) {
  AlertCondition down{"down", "id 1 is down"};
  down.ids = {ShardId{1}};
  EXPECT_EQ(update(Millis{0}, {down}), Words{"begins down"});
  down.ids = {ShardId{2}};
  EXPECT_EQ(update(Millis{5'000}, {down}), (Words{"over down", "begins down"}));
  EXPECT_EQ(book_.active()[0].since, now_);
}

TEST_F(Book, AnEventTellsTheBeginningAndTheBookTheEnd) {
  auto parked = host("a");
  parked.key = "parked";
  parked.told_by_event = true;
  EXPECT_EQ(update(Millis{0}, {parked}), Words{});
  EXPECT_EQ(book_.active().size(), 1U);
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over parked"});
}

TEST_F(Book, WhatIsSilencedIsToldWhenTheSilenceIsOverIfItStillLasts) {
  Silence silence;
  silence.host = "a";
  silence.until = now_ + Millis{60'000};
  book_.set_silences({silence});
  EXPECT_EQ(update(Millis{0}, {host("a"), host("b")}), Words{"begins host b"});
  EXPECT_TRUE(book_.active()[0].silenced || book_.active()[1].silenced);
  EXPECT_EQ(update(Millis{59'999}, {host("a"), host("b")}), Words{});
  EXPECT_EQ(update(Millis{1}, {host("a"), host("b")}), Words{"begins host a"});
  EXPECT_TRUE(book_.silences().empty());
}

TEST_F(Book, ASilenceOfAnIdIsForAlertsAboutThatIdAlone) {
  Silence silence;
  silence.id = ShardId{7};
  silence.until = now_ + Millis{60'000};
  book_.set_silences({silence});
  AlertCondition one{"dead", "id 7 is dead"};
  one.ids = {ShardId{7}};
  EXPECT_EQ(update(Millis{0}, {one}), Words{});
  one.ids = {ShardId{7}, ShardId{8}};
  EXPECT_EQ(update(Millis{0}, {one}), Words{"begins dead"});
  auto silences = book_.silences();
  EXPECT_EQ(end_silence(silences, "", ShardId{8}), 0U);
  EXPECT_EQ(end_silence(silences, "", ShardId{7}), 1U);
}

TEST_F(RestartedBook, WhatWasToldIsNotToldAgainAndItsEndIs) {
  EXPECT_EQ(update(Millis{0}, {about("dead", {ShardId{1}, ShardId{2}})}), Words{"begins dead"});
  const auto since = now_;
  restart();
  ASSERT_EQ(book_.active().size(), 1U);
  EXPECT_EQ(book_.active()[0].since, since);
  down_ = {ShardId{1}, ShardId{2}};
  EXPECT_EQ(update(Millis{60'000}, {}), Words{}) << "this server has not seen yet that they are dead";
  EXPECT_EQ(update(Millis{60'000}, {about("dead", {ShardId{1}, ShardId{2}})}), Words{});
  down_.clear();
  EXPECT_EQ(update(Millis{5'000}, {}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over dead"});
  EXPECT_TRUE(book_.told().empty());
}

TEST_F(RestartedBook, IdsThatAreUpAgainEndIt) {
  EXPECT_EQ(update(Millis{0}, {about("dead", {ShardId{1}})}), Words{"begins dead"});
  restart();
  down_ = {ShardId{1}};
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{});
  down_.clear();
  EXPECT_EQ(update(Millis{5'000}, {}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over dead"});
}

TEST_F(RestartedBook, ATroubleThatFirstLooksSmallerIsTheSameOne) {
  EXPECT_EQ(update(Millis{0}, {about("dead", {ShardId{1}, ShardId{2}})}), Words{"begins dead"});
  restart();
  down_ = {ShardId{1}, ShardId{2}};
  EXPECT_EQ(update(Millis{60'000}, {about("down", {ShardId{1}, ShardId{2}})}), Words{})
      << "down before it is dead";
  EXPECT_EQ(update(Millis{60'000}, {about("dead", {ShardId{1}, ShardId{2}})}), Words{});
  EXPECT_EQ(book_.active().size(), 1U);
  EXPECT_EQ(update(Millis{5'000}, {about("dead", {ShardId{1}, ShardId{2}, ShardId{3}})}),
            Words{"begins dead"})
      << "one that grows is told";
}

TEST_F(RestartedBook, ItEndsAtTheLatestWhenTheServerMustHaveSeenIt) {
  EXPECT_EQ(update(Millis{0}, {about("dead", {ShardId{1}}), host("a")}),
            (Words{"begins dead", "begins host a"}));
  restart();
  down_ = {ShardId{1}};
  EXPECT_EQ(update(AlertBook::kUnsure - Millis{1}, {}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{"over host a"})
      << "what is not about ids shows itself soon";
  EXPECT_EQ(update(kHeld, {}), Words{"over dead"});
}

TEST_F(RestartedBook, WhatWasToldIsKnownByKeyAndIds) {
  EXPECT_EQ(update(Millis{0}, {about("parked", {ShardId{1}, ShardId{2}})}), Words{"begins parked"});
  const auto before = now_ - Millis{1};
  restart();
  EXPECT_TRUE(book_.was_told("parked", {ShardId{2}}, before));
  EXPECT_FALSE(book_.was_told("parked", {ShardId{3}}, before));
  EXPECT_FALSE(book_.was_told("parked", {ShardId{2}}, now_)) << "too long ago";
  EXPECT_FALSE(book_.was_told("refused", {ShardId{2}}, before));
  EXPECT_FALSE(book_.was_told("parked", {}, before)) << "of no id nothing was told";
}

TEST_F(RestartedBook, WhatThisServerHasSeenItselfWasNotToldByAnEarlierOne) {
  auto parked = about("parked", {ShardId{1}});
  parked.told_by_event = true;
  EXPECT_EQ(update(Millis{0}, {parked}), Words{}) << "the event tells it";
  EXPECT_FALSE(book_.was_told("parked", {ShardId{1}}, now_ - Millis{1}));
}

TEST_F(RestartedBook, AnIdThatRunsTwiceIsNotWellBecauseItRuns) {
  auto twice = about("duplicate aaa", {ShardId{1}});
  twice.runs = true;
  EXPECT_EQ(update(Millis{0}, {twice}), Words{"begins duplicate aaa"});
  restart();
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{});
  EXPECT_EQ(update(AlertBook::kSettle, {}), Words{}) << "it may show itself yet";
  EXPECT_EQ(update(Millis{0}, {twice}), Words{});
}

}  // namespace
}  // namespace smaster::server
