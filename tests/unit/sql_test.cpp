#include "sql/sql.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "json/json.hpp"
#include "settings/settings.hpp"
#include "sql/frames.hpp"
#include "sql/reading.hpp"
#include "sql/rows.hpp"
#include "sql/sandbox.hpp"

namespace smaster::sql {
namespace {

TEST(SqlReading, LetsQueriesThrough) {
  for (const char* const text : {"SELECT 1", "select 1", "  (SELECT 1) UNION (SELECT 2)", "-- why\n SELECT 1",
                                 "/* why */WITH x AS (SELECT 1) SELECT * FROM x", "SHOW TABLES",
                                 "EXPLAIN SELECT 1", "DESC t", "VALUES (1)", "TABLE t"}) {
    EXPECT_TRUE(check_reads(text)) << text;
  }
}

TEST(SqlReading, LetsNothingElseThrough) {
  for (const char* const text :
       {"", ";", "-- nothing", "/* nothing", "DELETE FROM t", "BEGIN NOT ATOMIC DELETE FROM t; END",
        "XA END 'x'", "SET STATEMENT max_statement_time=0 FOR SELECT SLEEP(20)", "/*! DELETE FROM t */",
        "/*M! DELETE FROM t */ SELECT 1", "/* /* */ SELECT 1 */ DELETE FROM t", "/* SELECT */ DELETE FROM t",
        "--\nDELETE FROM t\n-- SELECT", "SELECTED", "DO $$ BEGIN END $$", "COMMIT",
        "SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT 1 INTO/**/dumpfile '/tmp/x'"}) {
    EXPECT_FALSE(check_reads(text)) << text;
  }
}

TEST(SqlReading, XaTransactionsAreRefused) {
  for (const char* const text :
       {"XA START 'x'", "xa begin 'x'", " XA\n PREPARE 'x'", "XA/* why */END 'x'", "XA -- why\nCOMMIT 'x'",
        "BEGIN NOT ATOMIC DO SLEEP(1); XA START 'q'; END", "/*!50000XA START 'x'*/",
        "/*M!100000 XA START 'x' */", "SELECT 'XA' ; XA START 'x'", "SELECT 'it\\'s' ; XA START 'x'",
        "# why\nXA ROLLBACK 'x'"}) {
    EXPECT_FALSE(check_no_xa(text)) << text;
  }
  for (const char* const text :
       {"", "/*", "/*!", "'", "#", "INSERT INTO t VALUES('XA START')", "INSERT INTO t VALUES(\"XA START\")",
        "SELECT xa FROM t", "SELECT 1 AS xa -- XA START", "SELECT `xa` START", "SELECT xa.start FROM xa",
        "/* XA START */ SELECT 1", "SELECT 'it\\' XA START '", "SELECT exa start"}) {
    EXPECT_TRUE(check_no_xa(text)) << text;
  }
}

TEST(SqlFrames, OrdersAndMessagesComeBack) {
  const auto order = decode_order(encode(Order{"sqlite:/x", Access::read, {Millis{7}, 8}, 9, "10"}));
  ASSERT_TRUE(order);
  EXPECT_EQ(order->url, "sqlite:/x");
  EXPECT_EQ(order->access, Access::read);
  EXPECT_EQ(order->limits, (Limits{Millis{7}, 8}));
  EXPECT_EQ(order->parent, 9);
  EXPECT_EQ(order->end, "10");

  Rows rows({}, {"a", "b"});
  rows.begin();
  rows.blob(std::string_view("\0\xff", 2));
  rows.blob("x");
  ASSERT_TRUE(rows.end());
  const auto outcome = rows.take();
  const auto message = decode_message(encode(Message(Answer{outcome, true})));
  ASSERT_TRUE(message);
  const auto& answer = std::get<Answer>(*message);
  EXPECT_TRUE(answer.last);
  EXPECT_EQ(answer.outcome->json, outcome.json);
  EXPECT_EQ(answer.outcome->blobs, outcome.blobs);
  EXPECT_EQ(answer.outcome->with_base64(), outcome.with_base64());

  const auto failed = decode_message(encode(Message(Answer{fail(ErrorKind::timed_out, "late"), false})));
  EXPECT_EQ(std::get<Answer>(*failed).outcome.error().kind, ErrorKind::timed_out);
  EXPECT_EQ(std::get<Ready>(*decode_message(encode(Message(Ready{"c", "m"})))).missing, "m");
  EXPECT_TRUE(std::holds_alternative<Stale>(*decode_message(encode(Message(Stale())))));
  EXPECT_TRUE(std::holds_alternative<Writes>(*decode_message(encode(Message(Writes())))));
}

TEST(SqlFrames, WhatAWorkerMakesUpIsRefused) {
  const auto refused = [](Outcome outcome) {
    return !decode_message(encode(Message(Answer{std::move(outcome), false})));
  };
  EXPECT_FALSE(refused({{}, "[]", {}, {}}));
  EXPECT_TRUE(refused({{}, "[],[]", {}, {}})) << "no JSON";
  EXPECT_TRUE(refused({{},
                       "[]\x1e"
                       "41",
                       {},
                       {}}))
      << "a packet of its own";
  EXPECT_TRUE(refused({{}, "[7]", {"blob"}, {1}})) << "a blob where none stands";
  EXPECT_TRUE(refused({{}, "[]", {"blob"}, {std::size_t{1} << 60}}));
  const auto good = encode(Message(Answer{Outcome{{"a"}, R"([{"a":1}])", {}, {}}, false}));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode_message(good.substr(0, size))) << size;
  EXPECT_FALSE(decode_message(good + '\0'));
  EXPECT_FALSE(frame_length("\xff\xff\xff\xff"));
}

TEST(SqlRows, KeepNothingOfWhatIsTooLarge) {
  const std::string half(kMaxResult / 2, 'x');
  Rows rows({}, {"a", "b", "c"});
  rows.begin();
  for (int i = 0; i < 3; ++i) rows.blob(half);
  EXPECT_FALSE(rows.end());
  EXPECT_LE(rows.take().blobs.size(), 2U);
}

/// Runs `attempt` in a process that is contained; whether it said yes.
bool succeeds_contained(bool remote, const std::function<bool()>& attempt) {
  const auto pid = ::fork();
  if (pid == 0) {
    limit_memory(kWorkerMemory);
    const auto missing = contain({remote, 0});
    ::_exit(attempt() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(SqlSandbox, LeavesOpenDescriptorsAndMemoryAlone) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_TRUE(succeeds_contained(false, [&] {
    char byte = 'x';
    const std::string memory(8u << 20, 'y');
    return ::write(ends[1], &byte, 1) == 1 && ::read(ends[0], &byte, 1) == 1 && memory.back() == 'y';
  }));
}

TEST(SqlSandbox, KeepsEverythingElseAway) {
  const auto parent = ::getpid();
  const std::pair<const char*, std::function<bool()>> attempts[] = {
      {"read a file", [] { return ::open("/etc/passwd", O_RDONLY) >= 0; }},
      {"make a file", [] { return ::open("/tmp/smaster-sandbox", O_CREAT | O_WRONLY, 0600) >= 0; }},
      {"remove a file", [] { return ::unlink("/tmp/smaster-sandbox") == 0; }},
      {"change a mode", [] { return ::chmod("/tmp", 01777) == 0; }},
      {"make a socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }},
      {"start a process", [] { return ::fork() >= 0; }},
      {"become a program", [] { return ::execl("/bin/true", "true", nullptr) == 0; }},
      {"signal another", [&] { return ::kill(parent, 0) == 0; }},
      {"have another signalled",
       [] { return ::fcntl(0, F_SETOWN, 1) == 0 || ::fcntl(0, F_SETSIG, SIGKILL) == 0; }},
      {"run what it wrote",
       [] {
         return ::mmap(nullptr, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                MAP_FAILED;
       }},
      {"undo it", [] { return ::prctl(PR_SET_DUMPABLE, 1) == 0; }},
  };
  for (const auto& [what, attempt] : attempts) {
    EXPECT_FALSE(succeeds_contained(false, attempt)) << what;
    EXPECT_FALSE(succeeds_contained(true, attempt)) << what << ", with a socket";
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_FALSE(succeeds_contained(false, [] {
    return ::mmap(nullptr, 2 * kWorkerMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
  })) << "memory";
#endif
}

TEST(SqlText, IsReadWithItsU0000) {
  std::string text;
  json::read(json::parse("{\"statement\":\"a\\u0000b\"}")->as_object(), "statement", text);
  EXPECT_EQ(text, std::string_view("a\0b", 3));
}

TEST(SqlSettings, TheServersOwnStoreIsNoDatabaseForShards) {
  const auto error_of = [](const std::string& url) {
    const auto settings = server::parse_settings(
        "[server]\nstate_dir = \"/nowhere/state\"\n[database]\nurl = \"" + url + "\"\n", "f.toml", {});
    return settings ? "" : settings.error().message;
  };
  EXPECT_NE(error_of("sqlite:/nowhere/state/smaster.db").find("own store"), std::string::npos);
  EXPECT_NE(error_of("sqlite:///nowhere/state/../state/smaster.db").find("own store"), std::string::npos);
  EXPECT_EQ(error_of("sqlite:/nowhere/state/other.db"), "");
}

}  // namespace
}  // namespace smaster::sql
