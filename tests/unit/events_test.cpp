// The list of events: its order, its limits, its text.
#include "server/events/events.hpp"

#include <gtest/gtest.h>

#include "records/event.hpp"

namespace smaster::server {
namespace {

using fleet::Event;
using fleet::EventKind;

Event about_shard(const std::string& name, EventKind kind = EventKind::died) {
  Event event{kind, "the bot of shard " + name + " died"};
  event.shard = name;
  return event;
}

TEST(Events, IdsRiseAndFollowersHearEach) {
  Events events;
  std::vector<std::uint64_t> heard;
  {
    const auto follower = events.follow([&](const Event& event) { heard.push_back(event.id); });
    for (int i = 0; i < 3; ++i) events.record({EventKind::settings, "setting"});
  }
  events.record({EventKind::settings, "setting"});
  ASSERT_EQ(heard.size(), 3U);
  EXPECT_LT(heard[0], heard[1]);
  EXPECT_LT(heard[1], heard[2]);
  EXPECT_EQ(events.unsaved().size(), 4U);
}

TEST(Events, OneShardCannotFillTheListAndOthersAreRecorded) {
  Events events;
  for (unsigned i = 0; i < Events::kMostAlike + 50; ++i) events.record(about_shard("abc"));
  events.record(about_shard("abd"));
  events.record(about_shard("abc", EventKind::parked));
  EXPECT_EQ(events.unsaved().size(), Events::kMostAlike + 2);
  net::Clock::advance(Events::kWhile + Millis{1});
  events.record(about_shard("abd"));
  const auto& list = events.unsaved();
  ASSERT_EQ(list.size(), Events::kMostAlike + 4);
  EXPECT_EQ(list[list.size() - 2].kind, EventKind::omitted);
  EXPECT_EQ(list[list.size() - 2].text.substr(0, 41), "50 more events \"died\" of shard abc within");
}

TEST(Events, WhatBotsAskAllDayIsMadeOnlyWhenItIsRecorded) {
  Events events;
  unsigned made = 0;
  const auto make = [&made] {
    ++made;
    return Event{EventKind::sql, "SQL"};
  };
  for (int i = 0; i < 100; ++i) events.record_routine(EventKind::sql, "abc", make);
  EXPECT_EQ(made, Events::kMostRoutine);
  for (int i = 0; i < 1'000; ++i) events.record_routine(EventKind::sql, "x" + std::to_string(i), make);
  EXPECT_EQ(made, Events::kMostRoutineOfAll);
}

TEST(Events, WhatCannotBeSavedWaitsInOrderAndTheOldestAreLostFirst) {
  Events events;
  for (std::size_t i = 0; i < Events::kMostUnsaved; ++i)
    events.record({EventKind::settings, std::to_string(i)});
  auto taken = events.take_unsaved();
  EXPECT_TRUE(events.unsaved().empty());
  events.record({EventKind::settings, "last"});
  events.put_back(std::move(taken));
  ASSERT_EQ(events.unsaved().size(), Events::kMostUnsaved);
  EXPECT_EQ(events.unsaved().front().text, "1");
  EXPECT_EQ(events.unsaved().back().text, "last");
}

TEST(EventText, ComesBackAndIsCutBetweenCharacters) {
  Event event{EventKind::eval, std::string(fleet::kMaxEventText - 1, 'x') + "é"};
  event.shard = "abc";
  event.host = "fra\x1b";
  event.by = "root";
  event.id = fleet::first_event_id(from_unix_ms(1'700'000'000'123)) + 4;
  for (int id = 1'000; id < 1'100; ++id) event.ids += (event.ids.empty() ? "" : ",") + std::to_string(id);
  fleet::shorten(event);
  EXPECT_EQ(event.text, std::string(fleet::kMaxEventText - 1, 'x'));
  EXPECT_NE(event.ids.back(), ',');
  EXPECT_LE(event.ids.size(), fleet::kMaxEventField);
  const auto back = fleet::parse_event(fleet::to_text(event));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, event);
  EXPECT_EQ(back->at(), from_unix_ms(1'700'000'000'123));
}

TEST(EventText, OfANewerVersionIsLeftOut) {
  EXPECT_FALSE(fleet::parse_event(R"({"id":1,"kind":"teleported","text":"x"})"));
  EXPECT_FALSE(fleet::parse_event("[]"));
  EXPECT_FALSE(fleet::parse_event("{"));
}

TEST(EventText, EachKindIsListedAtItsPlace) {
  const auto& kinds = fleet::all_event_kinds();
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kinds[i].kind), i) << kinds[i].word;
    EXPECT_EQ(fleet::parse_event_kind(kinds[i].word), kinds[i].kind);
  }
}

TEST(EventQuery, SelectsByShardIdKindAndAudit) {
  auto event = about_shard("abc");
  event.ids = "3,14";
  event.id = 5'000;
  fleet::EventQuery query;
  EXPECT_TRUE(query.matches(event));
  query.id = ShardId{14};
  EXPECT_TRUE(query.matches(event));
  query.id = ShardId{1};
  EXPECT_FALSE(query.matches(event)) << "14 is not 1";
  query = {};
  query.after = 5'000;
  EXPECT_FALSE(query.matches(event));
  query = {};
  query.audit = true;
  EXPECT_FALSE(query.matches(event));
  query = {};
  query.kinds = {EventKind::parked, EventKind::died};
  EXPECT_TRUE(query.matches(event));
}

}  // namespace
}  // namespace smaster::server
