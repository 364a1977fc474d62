// smaster doctor's findings: one line for each check, whatever is found; and what its parts remember.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "agent/bot/proc.hpp"
#include "base/file.hpp"
#include "checks/finding.hpp"
#include "checks/machine.hpp"
#include "server/admission/refusals.hpp"

namespace smaster::checks {
namespace {

TEST(Checks, NameTheFirstProblemsAndCountTheOthers) {
  Check check("clock");
  EXPECT_EQ(check.finding("all agree").found, "all agree");
  for (int i = 1; i <= 7; ++i) check.warn("shard " + std::to_string(i), "use NTP");
  check.fail("a late one", "look");
  const auto finding = check.finding("all agree");
  EXPECT_EQ(finding.verdict, Verdict::failed) << "the worst one, though it is not named";
  EXPECT_EQ(finding.found, "shard 1; shard 2; shard 3; shard 4; shard 5; and 3 more");
  EXPECT_EQ(finding.remedy, "use NTP") << "each remedy once";
}

TEST(Checks, TwoResultsOfOneCheckBecomeOneLine) {
  std::vector<Finding> findings;
  add(findings, {Verdict::ok, "token", "it is there", ""});
  add(findings, {Verdict::failed, "token", "Discord refuses it", "correct it"});
  add(findings, {Verdict::warn, "token", "others can read it", "chmod 600"});
  add(findings, {Verdict::ok, "token", "", ""});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].verdict, Verdict::failed);
  EXPECT_EQ(findings[0].found, "Discord refuses it; others can read it");
  EXPECT_EQ(findings[0].remedy, "correct it; chmod 600");
}

TEST(Checks, FindingsKeepTheirMeaningInJson) {
  const Finding finding{Verdict::warn, "disk", "little space", "free some"};
  const auto again = read_finding(to_json(finding));
  ASSERT_TRUE(again);
  EXPECT_EQ(to_line(*again), to_line(finding));
  EXPECT_FALSE(read_finding({{"check", "disk"}, {"verdict", "splendid"}}));
  EXPECT_FALSE(read_finding({{"verdict", "ok"}}));
}

TEST(Checks, TextOfShardsCannotLeaveItsLine) {
  const auto line = to_line({Verdict::failed, "bots", "died\n\x1b[2Jok      bots", "look"});
  EXPECT_EQ(line.find('\n'), line.npos);
  EXPECT_EQ(line.find('\x1b'), line.npos);
  EXPECT_TRUE(line.starts_with("FAILED  bots         died")) << line;
}

TEST(Checks, TimesMustFitTogether) {
  server::Settings settings;
  EXPECT_EQ(check_times(settings).verdict, Verdict::ok);
  settings.interval = settings.request_reboot_after;
  EXPECT_EQ(check_times(settings).verdict, Verdict::warn);
  settings = {};
  settings.expect_reboot_after = settings.assume_dead_after;
  EXPECT_EQ(check_times(settings).verdict, Verdict::warn);
}

TEST(Checks, AnOpenAddressNeedsEncryption) {
  server::Settings settings;
  EXPECT_EQ(check_network(settings).verdict, Verdict::ok);
  settings.address = "0.0.0.0";
  settings.remote_host.host = "shards.example.org";
  EXPECT_EQ(check_network(settings).verdict, Verdict::warn);
  settings.trusted_proxies = {"10.0.0.0/8"};
  EXPECT_EQ(check_network(settings).verdict, Verdict::ok);
  settings.trusted_proxies = {"::/0"};
  EXPECT_EQ(check_network(settings).verdict, Verdict::failed);
}

/// A folder that is removed at the end.
struct ChecksFolder {
  ChecksFolder() {
    char name[] = "/tmp/smaster-checks-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~ChecksFolder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    (void)write_file(path / name, text, mode, IfExists::replace);
  }
  std::filesystem::path path;
};

TEST(Checks, AGroupNearItsLimitIsNamed) {
  const ChecksFolder group;
  EXPECT_EQ(check_limits(group.path).verdict, Verdict::ok) << "without limits";
  group.write("memory.max", "max\n");
  group.write("memory.current", "1000000\n");
  group.write("pids.max", "100\n");
  group.write("pids.current", "89\n");
  EXPECT_EQ(check_limits(group.path).verdict, Verdict::ok);
  group.write("memory.max", "1000000\n");
  group.write("memory.stat", "anon 80000\nfile 900000\n");
  EXPECT_EQ(check_limits(group.path).verdict, Verdict::ok) << "copies of files can be freed";
  group.write("pids.current", "90\n");
  EXPECT_EQ(check_limits(group.path).verdict, Verdict::warn);
  EXPECT_NE(check_limits(group.path).remedy.find("TasksMax="), std::string::npos);
}

TEST(Checks, APasswordInTheSettingsMakesThemASecret) {
  const ChecksFolder folder;
  folder.write("smaster.toml", "", 0644);
  server::Settings settings;
  settings.state_dir = folder.path / "state";
  const auto file = folder.path / "smaster.toml";
  settings.database_url = "postgresql://bot@db:5432/bot";
  EXPECT_NE(check_permissions(settings, file).verdict, Verdict::failed);
  settings.database_url = "postgresql://bot:secret@db/bot";
  EXPECT_EQ(check_permissions(settings, file).verdict, Verdict::failed);
}

TEST(Checks, RefusalsCountWhileTheyAreRecent) {
  server::Refusals refusals;
  const Time start = from_unix_ms(1'000'000'000);
  EXPECT_EQ(refusals.recent("clock", start), nullptr);
  refusals.note("clock", "first", start);
  refusals.note("clock", "second", start + server::Refusals::kRecent);
  const auto* const last = refusals.recent("clock", start + server::Refusals::kRecent);
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->count, 2U);
  EXPECT_EQ(last->why, "second");
  const auto later = start + 3 * server::Refusals::kRecent;
  EXPECT_EQ(refusals.recent("clock", later), nullptr);
  refusals.note("clock", "third", later);
  EXPECT_EQ(refusals.recent("clock", later)->count, 1U);
}

TEST(Checks, AnAgentsConfinementIsReadFromTheKernel) {
  const auto root = agent::parse_confinement("Name:\tx\nUid:\t1000\t0\t0\t0\nNoNewPrivs:\t0\nSeccomp:\t0\n");
  EXPECT_EQ(root.uid, 0);
  EXPECT_FALSE(root.confined);
  EXPECT_TRUE(agent::parse_confinement("NoNewPrivs:\t1\nSeccomp:\t0\n").confined);
  EXPECT_TRUE(agent::parse_confinement("NoNewPrivs:\t0\nSeccomp:\t2\n").confined);
  EXPECT_EQ(agent::parse_confinement("").uid, -1);
}

}  // namespace
}  // namespace smaster::checks
