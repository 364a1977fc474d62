// The live view, key by key.
#include "watch/view.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>

#include "json/json.hpp"
#include "watch/keys.hpp"
#include "watch/why.hpp"

namespace smaster::watch {
namespace {

namespace bj = boost::json;

constexpr std::int64_t kNow = 1'764'400'000'000;

bj::object shard_row(int id, const char* state, const std::string& name) {
  return {{"id", name},
          {"state", state},
          {"isMaster", false},
          {"goalShardId", id},
          {"goalShardIds", id < 0 ? bj::array{} : bj::array{id}},
          {"goalShardCount", 3},
          {"lastSeen", kNow - 60'000},
          {"address", "10.0.0.1:5000"},
          {"host", id % 2 == 0 ? "fra1" : "ams1"},
          {"stats",
           {{"timestamp", kNow - 1000},
            {"timeDelta", 1000},
            {"memRSS", 52428800},
            {"cpuLoad", {0.5}},
            {"ping", 42},
            {"messageCountTotal", 7},
            {"bot",
             {{"state", "running"},
              {"cpu", 0.25},
              {"deaths", 2},
              {"lastExit", "exit 1"},
              {"lastLines", {"TypeError: no token", "  at x"}}}}}}};
}

Snapshot snapshot_of(std::vector<bj::object> rows, std::int64_t at_ms = kNow) {
  bj::object states;
  for (const auto& row : rows) {
    auto& count = states[row.at("state").as_string()];
    count = (count.is_int64() ? count.get_int64() : 0) + 1;
  }
  bj::array shards(rows.begin(), rows.end());
  return {{{"goal", 3},
           {"current", 2},
           {"configured", 2},
           {"registered", 3},
           {"known", 3},
           {"clients", 2},
           {"uptime_ms", 5000},
           {"states", std::move(states)},
           {"alerts", bj::array{}},
           {"shards", std::move(shards)}},
          at_ms};
}

Snapshot three(std::int64_t at_ms = kNow) {
  return snapshot_of(
      {shard_row(0, "running", "aaa"), shard_row(1, "running", "aab"), shard_row(2, "offline", "aac")},
      at_ms);
}

/// A view on a screen, as text.
struct WatchedScreen {
  View view{{Millis{2'000}, "trouble", false, true}};

  explicit WatchedScreen(std::size_t width = 120, std::size_t height = 20) {
    view.resize(width, height);
    view.update(three());
    (void)lines();
    (void)view.requests();
  }
  std::vector<std::string> lines(std::int64_t now_ms = kNow) {
    std::vector<std::string> texts;
    for (const auto& line : view.draw(now_ms)) {
      std::string text;
      for (const auto& span : line) text += span.text;
      texts.push_back(std::move(text));
    }
    return texts;
  }
  std::string all(std::int64_t now_ms = kNow) {
    std::string text;
    for (const auto& line : lines(now_ms)) text += line + '\n';
    return text;
  }
  bool shows(std::string_view text) { return all().find(text) != std::string::npos; }
  /// The row that is drawn in reverse, without the status.
  std::string selected() {
    const auto screen = view.draw(kNow);
    for (std::size_t i = 0; i + 2 < screen.size(); ++i) {
      if (screen[i].empty() || !screen[i].front().style.reverse) continue;
      std::string text;
      for (const auto& span : screen[i]) text += span.text;
      return text;
    }
    return {};
  }
  void type(std::u32string_view keys) {
    for (const auto key : keys) view.key(key);
  }
  /// The commands that were asked for.
  std::string commands() {
    std::string text;
    for (const auto& request : view.requests()) {
      if (request.kind == Request::Kind::past) continue;
      text += request.kind == Request::Kind::run ? "run" : "stop";
      for (const auto& word : request.words) text += ' ' + word;
      text += '\n';
    }
    return text;
  }
};

TEST(WatchView, TroubleComesFirstAndSaysWhy) {
  WatchedScreen screen(200);
  const auto lines = screen.lines();
  EXPECT_EQ(lines[0].find("3 shards: 1 offline  2 running"), 0) << lines[0];
  EXPECT_NE(lines[2].find("2      aac   offline"), std::string::npos) << screen.all();
  EXPECT_NE(
      lines[2].find(
          "no connection, last seen 60 s ago on fra1; its bot's last exit: exit 1: TypeError: no token"),
      std::string::npos)
      << screen.all();
  EXPECT_NE(lines[3].find("0      aaa   running"), std::string::npos);
  EXPECT_EQ(lines.size(), 20);
}

TEST(WatchView, FitsEveryScreen) {
  for (const bool utf8 : {true, false}) {
    for (const std::size_t width : {1u, 2u, 7u, 30u, 59u, 60u, 61u, 80u, 120u, 250u}) {
      for (const std::size_t height : {1u, 2u, 3u, 6u, 20u, 60u}) {
        View view({Millis{2'000}, "trouble", false, utf8});
        view.resize(width, height);
        auto snapshot = three();
        snapshot.stats["alerts"] = bj::array{{{"key", "x"},
                                              {"text", "shards are missing: déjà vu"},
                                              {"since", kNow - 5000},
                                              {"silenced", false}}};
        view.update(std::move(snapshot));
        for (const char32_t key : {U'j', U'?', U'q', U'r', U'n', U'/', char32_t{kEscape}}) {
          const auto lines = view.draw(kNow + 60'000);
          EXPECT_LE(lines.size(), height);
          for (const auto& line : lines) {
            std::size_t used = 0;
            for (const auto& span : line) {
              used += cells(span.text);
              EXPECT_TRUE(utf8 || ascii(span.text) == span.text);
            }
            EXPECT_LE(used, width) << "key " << std::uint32_t{key} << " height " << height;
          }
          view.key(key);
        }
      }
    }
  }
}

TEST(WatchView, NarrowScreensKeepStateAndCause) {
  WatchedScreen screen(60, 12);
  EXPECT_TRUE(screen.shows("aac   offline  no connection, last seen")) << screen.all();
  EXPECT_TRUE(screen.shows("r respawn")) << screen.all();
  WatchedScreen wide(250, 12);
  for (const auto head : {"SEEN", "CPU", "MEMORY", "MESSAGES", "PING", "WHY"})
    EXPECT_TRUE(wide.shows(head)) << wide.all();
}

TEST(WatchView, TheCursorStaysAtItsShardAndOnTheFirstRow) {
  WatchedScreen screen;
  EXPECT_NE(screen.selected().find("aac"), std::string::npos);
  screen.type(U"jj");
  EXPECT_NE(screen.selected().find("aab"), std::string::npos);
  screen.view.update(snapshot_of(
      {shard_row(0, "dead", "aaa"), shard_row(1, "running", "aab"), shard_row(2, "running", "aac")}));
  EXPECT_NE(screen.selected().find("aab"), std::string::npos);
  screen.type(U"g");
  screen.view.update(snapshot_of(
      {shard_row(0, "running", "aaa"), shard_row(1, "dead", "aab"), shard_row(2, "running", "aac")}));
  EXPECT_NE(screen.selected().find("aab"), std::string::npos);
}

TEST(WatchView, FiltersByWordsNumbersAndConditions) {
  WatchedScreen screen;
  const auto filtered = [&](std::u32string_view text) {
    screen.view.key('/');
    screen.type(text);
    screen.view.key(kEnter);
    const auto lines = screen.lines();
    std::string names;
    for (const auto* const name : {"aaa", "aab", "aac"}) {
      if (std::any_of(lines.begin() + 1, lines.end() - 2,
                      [&](const auto& line) { return line.find(name) != line.npos; }))
        names += name[2];
    }
    const auto status = lines[lines.size() - 2];
    screen.view.key(kEscape);
    return names + '|' + status.substr(0, status.find("  "));
  };
  EXPECT_EQ(filtered(U"OFFLINE"), "c|1-1 of 1 with \"OFFLINE\", sort: trouble");
  EXPECT_EQ(filtered(U"fra1 running"), "a|1-1 of 1 with \"fra1 running\", sort: trouble");
  EXPECT_EQ(filtered(U"1"), "b|1-1 of 1 with \"1\", sort: trouble");
  EXPECT_EQ(filtered(U"stats.ping>10,host=ams1"),
            "b|1-1 of 1 with \"stats.ping>10,host=ams1\", sort: trouble");
  EXPECT_EQ(filtered(U"zebra"), "|no shard of 3 with \"zebra\", sort: trouble");
  EXPECT_EQ(filtered(U"sta=x"),
            "abc|no shard has a field \"sta\"; \"smaster stats --json\" shows which there are");
  EXPECT_EQ(filtered(U"=x"),
            "abc|the filter takes conditions such as state=silent or stats.ping>200,host=ams1, not \"=x\"");
  // While it is typed, too; Escape brings back the one of before.
  screen.type(U"/offl");
  EXPECT_FALSE(screen.shows("aaa"));
  screen.view.key(kEscape);
  EXPECT_TRUE(screen.shows("aaa"));
  screen.type(U"f");
  EXPECT_TRUE(screen.shows("state=offline"));
  screen.type(U"f");
  EXPECT_TRUE(screen.shows("state=running"));
  screen.type(U"f");
  EXPECT_FALSE(screen.shows("state="));
}

TEST(WatchView, JumpsToAnIdOrName) {
  WatchedScreen screen;
  screen.type(U":1");
  screen.view.key(kEnter);
  EXPECT_NE(screen.selected().find("aab"), std::string::npos);
  screen.type(U":aaa");
  screen.view.key(kEnter);
  EXPECT_NE(screen.selected().find("aaa"), std::string::npos);
  screen.type(U":99");
  screen.view.key(kEnter);
  EXPECT_TRUE(screen.shows("no shard has the id or name 99"));
  screen.type(U"/offline");
  screen.view.key(kEnter);
  screen.type(U":0");
  screen.view.key(kEnter);
  EXPECT_TRUE(screen.shows("the filter hides shard 0; Esc removes the filter"));
  screen.type(U":q");
  EXPECT_FALSE(screen.view.quit());
  screen.view.key(kEnter);
  EXPECT_TRUE(screen.view.quit());
}

TEST(WatchView, EnterOpensAShardWhichFollowsTheServer) {
  WatchedScreen screen;
  screen.view.key(kEnter);
  EXPECT_EQ(screen.commands(), "run shard aac\n");
  screen.view.output(1, "shard 2 (aac): off");
  screen.view.output(1, "line\n  try  \x1b[31msmaster respawn\n");
  screen.view.ended(1, 0);
  EXPECT_TRUE(screen.shows("shard 2 (aac): offline"));
  EXPECT_TRUE(screen.shows("try   [31msmaster respawn")) << screen.all();
  screen.view.update(three());
  EXPECT_EQ(screen.commands(), "run shard aac\n");
  screen.view.update(three());  // while it runs
  EXPECT_EQ(screen.commands(), "");
  screen.view.output(2, "smaster shard: no server\n");
  screen.view.ended(2, 69);
  EXPECT_TRUE(screen.shows("shard 2 (aac): offline")) << "the text of before stays";
  screen.view.key('q');
  EXPECT_FALSE(screen.view.quit());
  EXPECT_TRUE(screen.shows("SHARD"));
  screen.view.update(three());
  EXPECT_EQ(screen.commands(), "");
  screen.view.key('q');
  EXPECT_TRUE(screen.view.quit());
}

TEST(WatchView, LogsFollowUntilSomebodyScrollsAndBeginAnew) {
  WatchedScreen screen(80, 10);
  screen.view.key('l');
  EXPECT_EQ(screen.commands(), "run logs --follow --lines 500 --shard 2\n");
  for (int i = 0; i < 50; ++i) screen.view.output(1, "line " + std::to_string(i) + '\n');
  EXPECT_TRUE(screen.shows("line 49"));
  EXPECT_TRUE(screen.shows(", following"));
  screen.view.key(kUp);
  screen.view.output(1, "line 50\n");
  EXPECT_FALSE(screen.shows("line 50"));
  EXPECT_TRUE(screen.shows("not following"));
  screen.view.key('f');
  EXPECT_TRUE(screen.shows("line 50"));
  screen.view.key('g');
  EXPECT_TRUE(screen.shows("line 0"));
  screen.type(U"/LINE 39");
  EXPECT_TRUE(screen.shows("line 39"));
  EXPECT_FALSE(screen.shows("line 2"));
  screen.view.key(kEscape);
  EXPECT_TRUE(screen.shows("line 2"));
  screen.type(U"/line 39");
  screen.view.key(kEnter);
  EXPECT_FALSE(screen.shows("line 2"));
  screen.view.key(kEscape);
  EXPECT_TRUE(screen.shows("line 2")) << "it shows all again, and does not leave the page";
  screen.view.output(1, "gone");
  screen.view.ended(1, 69);
  EXPECT_TRUE(screen.shows("ended with exit code 69"));
  screen.view.key('f');
  EXPECT_EQ(screen.commands(), "run logs --follow --lines 500 --shard 2\n");
  screen.view.key(kEscape);
  EXPECT_EQ(screen.commands(), "stop\n");
}

TEST(WatchView, RespawnAsksFirstAndShowsTheProgress) {
  WatchedScreen screen;
  screen.view.key('r');
  screen.view.key(kOther);  // the terminal has another size
  EXPECT_TRUE(screen.shows("respawn shard 2 (aac)? y/N")) << screen.all();
  for (const char32_t no : {U'n', U'r', char32_t{kEnter}, char32_t{kEscape}}) {
    screen.view.key(no);
    EXPECT_TRUE(screen.shows("nothing was done"));
    EXPECT_EQ(screen.commands(), "");
    screen.view.key('r');
  }
  screen.view.key('y');
  EXPECT_EQ(screen.commands(), "run respawn --wait --shard 2\n");
  screen.view.output(1, "shard 2 (aac) respawns now\n");
  EXPECT_TRUE(screen.shows("respawns now"));
  EXPECT_TRUE(screen.shows("still running"));
  screen.view.ended(1, 0);
  EXPECT_TRUE(screen.shows("done"));
}

TEST(WatchView, CommandsAreForTheMarkedShards) {
  WatchedScreen screen;
  screen.type(U"  ");  // aac, aaa
  EXPECT_TRUE(screen.shows("* 0      aaa"));
  EXPECT_TRUE(screen.shows("2 marked"));
  screen.type(U"/offline");
  screen.view.key(kEnter);
  screen.view.key('r');
  EXPECT_TRUE(
      screen.shows("respawn 2 shards: 0 (aaa), 2 (aac) (1 of the marked ones are hidden by the filter)? y/N"))
      << screen.all();
  screen.view.key('y');
  EXPECT_EQ(screen.commands(), "run respawn --wait --shard 0,2\n");
  screen.type(U"q");
  EXPECT_EQ(screen.commands(), "stop\n");
  screen.view.key('l');
  EXPECT_EQ(screen.commands(), "run logs --follow --lines 500 --shard 0,2\n");
  screen.view.key('q');
  (void)screen.commands();
  screen.view.key(kEscape);  // the marks
  screen.view.key('r');
  EXPECT_TRUE(screen.shows("respawn shard 2 (aac)? y/N"));
}

TEST(WatchView, EvalIsTypedAndAskedForWhenItIsForAll) {
  WatchedScreen screen;
  screen.type(U"xprocesss");
  screen.view.key(kBackspace);
  EXPECT_TRUE(screen.shows("eval on shard 2 (aac): process_"));
  // The list may change while it is typed.
  screen.view.update(snapshot_of(
      {shard_row(0, "dead", "aaa"), shard_row(1, "running", "aab"), shard_row(2, "running", "aac")}));
  screen.view.key(kEnter);
  EXPECT_EQ(screen.commands(), "run eval --shard 2 -- process\n");
  screen.type(U"q");
  (void)screen.commands();
  screen.type(U"ax1");
  screen.view.key(kEnter);
  EXPECT_TRUE(screen.shows("eval on all 3 shards: 1  Run it? y/N"));
  screen.view.key('n');
  EXPECT_EQ(screen.commands(), "");
  screen.type(U"x-1 é");
  screen.view.key(kEnter);
  screen.view.key('y');
  EXPECT_EQ(screen.commands(), "run eval --shard 0-2 -- -1 \u00e9\n");
}

TEST(WatchView, ShardsWithoutAnIdHaveNoBotToWorkWith) {
  WatchedScreen screen;
  screen.view.update(snapshot_of({shard_row(-1, "new", "zzz")}));
  for (const auto key : {'r', 'x', 'l'}) {
    screen.view.key(static_cast<char32_t>(key));
    EXPECT_TRUE(screen.shows(key == 'x' ? "no shard with an id is chosen" : "shard zzz has no shard id"))
        << screen.all();
    EXPECT_EQ(screen.commands(), "");
  }
  screen.view.key('e');
  EXPECT_EQ(screen.commands(), "run events --follow --lines 1000 --shard zzz\n");
}

TEST(WatchView, SaysLoudlyThatTheServerIsGoneAndHowOldTheFiguresAre) {
  WatchedScreen screen;
  EXPECT_EQ(screen.all(kNow + 5'000).find("NO ANSWER"), std::string::npos);
  const auto alarm = screen.lines(kNow + 12'000).front();
  EXPECT_EQ(alarm.find("NO ANSWER FROM THE SERVER for 12 s; the figures are of 20"), 0) << alarm;
  EXPECT_TRUE(screen.view.draw(kNow + 12'000)[3].front().style.faint);
  screen.view.failed("no server answers on the control socket", false);
  EXPECT_NE(screen.lines(kNow + 1'000).front().find("no server answers"), std::string::npos);
  screen.view.key('?');  // and over every page
  EXPECT_NE(screen.lines(kNow + 1'000).front().find("NO ANSWER"), std::string::npos);
  screen.view.update(three(kNow + 13'000));
  EXPECT_EQ(screen.all(kNow + 14'000).find("NO ANSWER"), std::string::npos);
  screen.view.failed("no shard is on a host \"fra1\"", true);
  EXPECT_EQ(screen.lines(kNow + 14'000).front().find("THE FIGURES ARE OLD, for 1 s"), 0);
  EXPECT_NE(screen.lines(kNow + 14'000).front().find("no shard is on a host"), std::string::npos);
}

TEST(WatchView, ShowsAlertsAboveTheShards) {
  WatchedScreen screen;
  auto snapshot = three();
  bj::array alerts;
  for (const auto* const text : {"first", "second", "third"}) {
    alerts.push_back({{"key", text}, {"text", text}, {"since", kNow - 5000}, {"silenced", false}});
  }
  snapshot.stats["alerts"] = std::move(alerts);
  screen.view.update(std::move(snapshot));
  EXPECT_NE(screen.lines()[1].find("degraded for 5s: first"), std::string::npos) << screen.all();
  EXPECT_TRUE(screen.shows("[! shows 1 more]")) << screen.all();
  screen.view.resize(120, 10);
  EXPECT_TRUE(screen.shows("[! shows 2 more]")) << screen.all();
  screen.view.key('!');
  EXPECT_TRUE(screen.shows("third"));
}

TEST(WatchView, SaysHowManyIdsHaveNoShard) {
  WatchedScreen screen;
  EXPECT_FALSE(screen.shows("have no shard:"));
  screen.view.update(snapshot_of(
      {shard_row(0, "running", "aaa"), shard_row(-1, "new", "aab"), shard_row(-1, "new", "aac")}));
  EXPECT_TRUE(screen.shows("2 of 3 shard ids have no shard: start more agents")) << screen.all();
  // With --shard or --state the others are not known.
  screen.view.update(snapshot_of({shard_row(0, "running", "aaa")}));
  EXPECT_FALSE(screen.shows("have no shard:"));
}

TEST(WatchView, DrawsOnlyTheRowsOnTheScreenOf15000) {
  std::vector<bj::object> rows;
  for (int i = 0; i < 15'000; ++i)
    rows.push_back(shard_row(i, i % 5'000 == 4'999 ? "offline" : "running", "s" + std::to_string(i)));
  WatchedScreen screen;
  auto snapshot = snapshot_of(std::move(rows));
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  const auto ms = [](auto duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
  };
  const auto begun = clock();
  screen.view.update(std::move(snapshot));
  const auto updated = clock();
  const auto text = screen.all();
  const auto drawn = clock();
  RecordProperty("update", ms(updated - begun));
  RecordProperty("draw", ms(drawn - updated));
  EXPECT_TRUE(screen.shows("1-16 of 15000")) << text;
  EXPECT_LT(text.find("s14999 "), text.find("s0 "));
  EXPECT_EQ(screen.view.requests().size(), 16) << "the past of those on the screen";
  screen.view.key(kEnd);
  EXPECT_TRUE(screen.shows("14985-15000 of 15000"));
  screen.type(U"ar");
  EXPECT_TRUE(
      screen.shows("respawn 15000 shards: 0 (s0), 1 (s1), 2 (s2), 3 (s3), 4 (s4) and 14995 more? y/N"))
      << screen.all();
  screen.view.key('y');
  EXPECT_EQ(screen.commands(), "run respawn --wait --shard 0-14999\n");
}

TEST(WatchWhy, SaysWhatIsKnownOfTheCause) {
  const auto of = [](const char* text) { return why(json::parse(text)->as_object(), kNow); };
  EXPECT_EQ(of(R"({"id":"a","state":"running"})"), "");
  EXPECT_EQ(of(R"({"id":"a","state":"dead","lastSeen":0,"left":true})"),
            "its agent was stopped, last seen never");
  EXPECT_EQ(
      of(R"({"id":"a","state":"crashing","lastHeartbeat":1764399999000,"stats":{"bot":{"lastExit":"signal 9","nextStartIn":3000,"lastLines":["one","two"]}}})"),
      "signal 9: two; starts again in 2 s");
  EXPECT_EQ(
      of(R"({"id":"a","state":"refused","stats":{"bot":{"gateways":[{"id":4,"state":"ready"},{"id":5,"state":"refused","code":4004}]}}})"),
      "Discord closed shard id 5 with code 4004: the token is not valid; give the bot a new one");
  EXPECT_EQ(
      of(R"({"id":"a","state":"disconnected","stats":{"bot":{"gateways":[{"id":5,"state":"disconnected","code":0}]}}})"),
      "shard id 5 is disconnected");
  EXPECT_EQ(
      of(R"({"id":"a","state":"deaf","stats":{"bot":{"gateways":[{"id":5,"state":"ready","lastEvent":90000}]}}})"),
      "connected, but no event of Discord for 90 s");
  EXPECT_EQ(
      of(R"({"id":"a","state":"hung","stats":{"bot":{"gateways":[{"id":4,"state":"ready","heard":900},{"id":5,"state":"ready","heard":40000}]}}})"),
      "its event loop is blocked: no figures for 40 s");
  EXPECT_EQ(of(R"({"id":"a","state":"drained","host":"fra1"})"), "its host fra1 is drained");
  EXPECT_EQ(of(R"({"id":"a","state":"running","duplicate":true,"duplicateAddress":"10.0.0.9"})"),
            "its config seems to be used twice, also from 10.0.0.9: its id may run twice");
  // What shards say may be anything.
  EXPECT_EQ(of(R"({"id":"a","state":"refused","stats":{"bot":{"gateways":[3]}}})"), "");
  EXPECT_EQ(of(R"({"id":"a","state":"crashing","stats":{"bot":{"lastLines":[3,null]}}})"), "");
}

TEST(WatchText, CountsCellsWrapsAndCuts) {
  EXPECT_EQ(cells("aé日e\u0301"), 5);
  EXPECT_EQ(fit("日本語", 5), "日本…");
  EXPECT_EQ(fit("日本語", 4), "日…");
  EXPECT_EQ(wrap("日本語", 5), (std::vector<std::string>{"日本", "語"}));
  EXPECT_EQ(wrap("to be or not", 8), (std::vector<std::string>{"to be ", "or not"}));
  EXPECT_EQ(wrap("", 5), std::vector<std::string>{""});
  EXPECT_EQ(wrap("日", 1), std::vector<std::string>{"日"});
  EXPECT_EQ(ascii("a…日"), "a~?");
}

TEST(WatchPager, KeepsTheLastLinesAndItsPlace) {
  Pager pager(false);
  for (std::size_t i = 0; i < Pager::kMostLines + 10; ++i) pager.append(std::to_string(i) + '\n');
  std::vector<Line> screen;
  pager.draw(screen, 10, 2);
  EXPECT_EQ(screen.front().front().text, "10");
  pager.append(std::string(Pager::kLongestLine * 3, 'x') + "\nend\n");
  (void)pager.key(kEnd, 2);
  screen.clear();
  pager.draw(screen, 10, 2);
  EXPECT_EQ(screen.back().front().text, "end");
}

}  // namespace
}  // namespace smaster::watch
