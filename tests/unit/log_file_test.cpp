// The files with a bot's output: when they are closed, compressed and removed.
#include "agent/bot/log_file.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <iterator>
#include <vector>

namespace smaster::agent {
namespace {

namespace fs = std::filesystem;

class LogFiles : public testing::Test {
 protected:
  LogFiles() {
    std::string pattern = testing::TempDir() + "smaster-logs-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LogFiles() override { fs::remove_all(folder_); }

  /// The names in the folder, in order.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  }
  std::string plain(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string packed(const std::string& name) const {
    const auto file = ::gzopen((folder_ / name).c_str(), "rb");
    std::string text(1'000, '\0');
    text.resize(static_cast<std::size_t>(std::max(0, ::gzread(file, text.data(), 1'000))));
    ::gzclose(file);
    return text;
  }
  static Time day(int number, int ms = 0) { return Time{std::chrono::hours(24 * number) + Millis{ms}}; }

  fs::path folder_;
};

TEST_F(LogFiles, AFullFileIsCompressedAndANewOneBegun) {
  LogFile file(folder_ / "deep", "abc", {.size = 10});
  EXPECT_TRUE(file.write("1234567\n", day(1)));
  EXPECT_TRUE(file.write("x\n", day(1, 1)));
  EXPECT_TRUE(file.write("new\n", day(1, 2)));
  folder_ /= "deep";
  EXPECT_EQ(names(), (std::vector<std::string>{"abc.19700102T000000.002Z.log.gz", "abc.log"}));
  EXPECT_EQ(packed("abc.19700102T000000.002Z.log.gz"), "1234567\nx\n");
  EXPECT_EQ(plain("abc.log"), "new\n");
  EXPECT_EQ(fs::status(folder_ / "abc.log").permissions(), fs::perms(0600));
  folder_ = folder_.parent_path();
}

TEST_F(LogFiles, AFileOfYesterdayIsClosedAndOldOnesAreRemoved) {
  LogFile file(folder_, "abc", {.age = std::chrono::hours(48)});
  for (int i = 1; i <= 6; ++i) EXPECT_TRUE(file.write("day " + std::to_string(i) + '\n', day(i, i)));
  EXPECT_EQ(names(), (std::vector<std::string>{"abc.19700106T000000.005Z.log.gz",
                                               "abc.19700107T000000.006Z.log.gz", "abc.log"}));
}

TEST_F(LogFiles, OnlySoManyAreKeptAndOthersAreLeftAlone) {
  for (const auto* const other : {"abc-1.19700101T000000.000Z.log.gz", "abcd.log", "abc.txt"})
    std::ofstream(folder_ / other) << "other";
  LogFile file(folder_, "abc", {.size = 1});
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(file.write("line\n", day(1, i)));
  EXPECT_EQ(names().size(), 3 + LogFile::kMostOld + 1);
  for (const auto* const other : {"abc-1.19700101T000000.000Z.log.gz", "abcd.log", "abc.txt"})
    EXPECT_EQ(plain(other), "other");
}

TEST_F(LogFiles, WhatACrashHasLeftIsCompressed) {
  std::ofstream(folder_ / "abc.log") << "before\n";
  std::ofstream(folder_ / "abc.19700101T000000.000Z.log") << "older\n";
  std::ofstream(folder_ / "abc.19700101T000000.000Z.log.gz.new") << "half";
  LogFile file(folder_, "abc", {.size = 10});
  EXPECT_TRUE(file.write("after\n", day(1)));
  EXPECT_EQ(names(), (std::vector<std::string>{"abc.19700101T000000.000Z.log.gz",
                                               "abc.19700102T000000.000Z.log.gz", "abc.log"}));
  EXPECT_EQ(packed("abc.19700101T000000.000Z.log.gz"), "older\n");
  EXPECT_EQ(packed("abc.19700102T000000.000Z.log.gz"), "before\n");
}

TEST_F(LogFiles, AFileThatIsRemovedIsMadeAnew) {
  LogFile file(folder_, "abc", {});
  EXPECT_TRUE(file.write("1\n", day(1)));
  fs::remove(folder_ / "abc.log");
  EXPECT_TRUE(file.write("2\n", day(1)));
  EXPECT_EQ(plain("abc.log"), "2\n");
}

TEST_F(LogFiles, AnErrorNamesTheFileAndEndsWithItsCause) {
  fs::create_directory(folder_ / "abc.log");
  LogFile file(folder_, "abc", {});
  const auto written = file.write("1\n", day(1));
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("abc.log: Is a directory"), std::string::npos)
      << written.error().message;
  fs::remove(folder_ / "abc.log");
  EXPECT_TRUE(file.write("2\n", day(1)));
}

}  // namespace
}  // namespace smaster::agent
