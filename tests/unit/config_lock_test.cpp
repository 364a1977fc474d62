// One agent per config, whatever happens to the two locked files, and an id that stays with a config but not
// with its copy.
#include "agent/config_lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"

namespace smaster::agent {
namespace {

namespace fs = std::filesystem;

class LockedConfigs : public testing::Test {
 protected:
  LockedConfigs() {
    std::string pattern = testing::TempDir() + "smaster-lock-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write(config(), "{}");
  }
  ~LockedConfigs() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path config(const std::string& name = "config.json") const { return folder_ / name; }
  [[nodiscard]] fs::path beside() const { return config("config.json.lock"); }
  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }
  /// The error, if it cannot be locked now.
  [[nodiscard]] std::optional<ErrorKind> refused() const {
    const auto lock = ConfigLock::take(config());
    return lock ? std::nullopt : std::optional(lock.error().kind);
  }
  /// Of the config's user.
  [[nodiscard]] std::string instance(const std::string& name = "config.json") const {
    const auto lock = ConfigLock::take(config(name));
    return lock ? lock->identity().instance : "";
  }
  /// As another program does it.
  static Fd lock_alone(const fs::path& file) {
    Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), 0);
    return fd;
  }

  fs::path folder_;
};

TEST_F(LockedConfigs, BelongToOneAgentUntilItEnds) {
  std::optional<Result<ConfigLock>> lock(ConfigLock::take(config()));
  ASSERT_TRUE(*lock);
  EXPECT_FALSE((*lock)->identity().boot.empty());
  EXPECT_EQ(refused(), ErrorKind::timed_out);
  lock.reset();
  EXPECT_EQ(refused(), std::nullopt);
}

TEST_F(LockedConfigs, BelongToTheBotOfAnAgentThatWasKilled) {
  Fd bot;
  {
    const auto lock = ConfigLock::take(config());
    ASSERT_TRUE(lock);
    bot = Fd(::dup(lock->descriptor()));
  }
  EXPECT_EQ(refused(), ErrorKind::timed_out);
  bot = {};
  EXPECT_EQ(refused(), std::nullopt);
}

TEST_F(LockedConfigs, StayLockedWhenAnEditorReplacesThem) {
  const auto lock = ConfigLock::take(config());
  write(config("new"), "{}");
  fs::rename(config("new"), config());
  EXPECT_EQ(refused(), ErrorKind::timed_out);
}

TEST_F(LockedConfigs, StayLockedWhenTheFileBesideIsRemoved) {
  const auto lock = ConfigLock::take(config());
  fs::remove(beside());
  EXPECT_EQ(refused(), ErrorKind::timed_out);
}

TEST_F(LockedConfigs, AreNotTakenFromAnEarlierVersionThatLocksTheConfigAlone) {
  const auto earlier = lock_alone(config());
  EXPECT_EQ(refused(), ErrorKind::timed_out);
}

TEST_F(LockedConfigs, AreNotHeldByAnAgentThatWasRefused) {
  write(beside(), "");
  auto other = lock_alone(beside());
  EXPECT_EQ(refused(), ErrorKind::timed_out);
  lock_alone(config());  // the refused one must not have kept it
  other = {};
  EXPECT_EQ(refused(), std::nullopt);
}

TEST_F(LockedConfigs, MustExist) {
  fs::remove(config());
  EXPECT_EQ(refused(), ErrorKind::bad_config);
  EXPECT_FALSE(fs::exists(beside()));
}

TEST_F(LockedConfigs, HaveAnIdThatSurvivesRestartsAndEdits) {
  const auto first = instance();
  EXPECT_GE(first.size(), 16U);
  EXPECT_EQ(instance(), first);
  write(config("new"), "{}");
  fs::rename(config("new"), config());
  EXPECT_EQ(instance(), first);
}

TEST_F(LockedConfigs, HaveAnotherIdThanTheirCopies) {
  const auto first = instance();
  fs::copy_file(config(), config("copy.json"));
  fs::copy_file(beside(), config("copy.json.lock"));
  const auto copy = instance("copy.json");
  EXPECT_NE(copy, first);
  EXPECT_EQ(instance("copy.json"), copy);
  EXPECT_EQ(instance(), first);
}

TEST_F(LockedConfigs, GetANewIdWhenTheOldOneCannotBeRead) {
  const auto first = instance();
  const auto good = *read_file(beside());
  for (const std::string& text : {std::string(), std::string("\n"), good.substr(0, good.size() - 2),
                                  good.substr(good.find(' ')), std::string(1000, 'x') + good}) {
    write(beside(), text);
    const auto fresh = instance();
    EXPECT_NE(fresh, first);
    EXPECT_GE(fresh.size(), 16U);
    EXPECT_EQ(instance(), fresh) << "it is stored";
  }
}

TEST_F(LockedConfigs, AreLockedAloneWhenNoFileCanBeBesideThem) {
  for (const bool link : {false, true}) {
    fs::remove(beside());
    if (link) {
      write(config("target"), "precious");
      fs::create_symlink("target", beside());
    } else {
      fs::create_directory(beside());
    }
    const auto lock = ConfigLock::take(config());
    ASSERT_TRUE(lock);
    EXPECT_FALSE(lock->identity().instance.empty());
    EXPECT_GE(lock->descriptor(), 0);
    EXPECT_EQ(refused(), ErrorKind::timed_out);
  }
  EXPECT_EQ(*read_file(config("target")), "precious") << "a link may point anywhere";
}

}  // namespace
}  // namespace smaster::agent
