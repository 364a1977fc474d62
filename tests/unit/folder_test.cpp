#include "files/folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

namespace smaster::files {
namespace {

namespace fs = std::filesystem;

struct FolderTest : testing::Test {
  FolderTest() {
    std::string path = (fs::temp_directory_path() / "smaster-folder-XXXXXX").string();
    base = ::mkdtemp(path.data());
    fs::create_directories(base / "project" / "sub");
    fs::create_directories(base / "outside");
    std::ofstream(base / "outside" / "secret") << "secret";
    folder.emplace(*Folder::open(base / "project"));
  }
  ~FolderTest() override { fs::remove_all(base); }
  fs::path base;
  std::optional<Folder> folder;

  std::string secret() const {
    std::ifstream file(base / "outside" / "secret");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(FolderTest, WritesReadsAndRemovesWithTimesAndFolders) {
  ASSERT_TRUE(folder->write("a/b/c.txt", "hello", from_unix_ms(1'600'000'000'123)));
  const auto file = folder->read("a/b/c.txt", 100);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->data, "hello");
  EXPECT_EQ(file->mtime, from_unix_ms(1'600'000'000'123));
  EXPECT_EQ(folder->open_file("a/b/c.txt")->mtime, file->mtime);
  ASSERT_TRUE(folder->write("a/b/c.txt", "again", std::nullopt));
  EXPECT_EQ(folder->read("a/b/../b/./c.txt", 100)->data, "again") << "dots that stay inside are harmless";
  ASSERT_TRUE(folder->remove("a/b/c.txt"));
  ASSERT_TRUE(folder->remove("a/b/c.txt"));
  ASSERT_TRUE(folder->remove("never/was"));
  EXPECT_EQ(folder->read("a/b/c.txt", 100).error().kind, ErrorKind::not_found);
  for (const auto& entry : fs::recursive_directory_iterator(base / "project")) {
    EXPECT_TRUE(entry.is_directory()) << entry << " was left";
  }
}

TEST_F(FolderTest, ReadsNoMoreThanItMay) {
  ASSERT_TRUE(folder->write("big", std::string(1000, 'x'), std::nullopt));
  EXPECT_TRUE(folder->read("big", 1000));
  EXPECT_EQ(folder->read("big", 999).error().kind, ErrorKind::bad_data);
}

TEST_F(FolderTest, NothingLeadsOut) {
  fs::create_symlink("../outside", base / "project" / "link");
  fs::create_symlink(base / "outside" / "secret", base / "project" / "absolute");
  fs::create_symlink("../outside/secret", base / "project" / "relative");
  fs::create_symlink("loop", base / "project" / "loop");
  ASSERT_EQ(::mkfifo((base / "project" / "pipe").c_str(), 0600), 0);
  for (const std::string& name : {std::string("../outside/secret"),
                                  (base / "outside" / "secret").string(),
                                  std::string("link/secret"),
                                  std::string("sub/../../outside/secret"),
                                  std::string("absolute"),
                                  std::string("relative"),
                                  std::string("loop"),
                                  std::string("pipe"),
                                  std::string("sub"),
                                  std::string("/"),
                                  std::string("/etc/passwd"),
                                  std::string(""),
                                  std::string("."),
                                  std::string(".."),
                                  std::string("sub/"),
                                  std::string("sub/."),
                                  std::string("sub/.."),
                                  std::string("a\0b", 3),
                                  std::string("/proc/self/root/etc/passwd"),
                                  std::string("link/../../outside/secret")}) {
    const auto read = folder->read(name, 1000);
    ASSERT_FALSE(read) << name;
    EXPECT_NE(read.error().kind, ErrorKind::internal) << name;
  }
  for (const std::string_view name : {"../outside/new", "link/new", "link/secret", "/tmp/smaster-new",
                                      "sub/../../outside/secret", "pipe", "sub", "..", ".", "", "sub/.."}) {
    EXPECT_FALSE(folder->write(name, "overwritten", std::nullopt)) << name;
    EXPECT_FALSE(folder->remove(name)) << name;
  }
  EXPECT_EQ(secret(), "secret");
  EXPECT_FALSE(fs::exists(base / "outside" / "new"));
}

TEST_F(FolderTest, WritingToALinkReplacesTheLinkAndNotItsTarget) {
  fs::create_symlink(base / "outside" / "secret", base / "project" / "link");
  ASSERT_TRUE(folder->write("link", "mine", std::nullopt));
  EXPECT_EQ(secret(), "secret");
  EXPECT_EQ(folder->read("link", 100)->data, "mine");
}

TEST_F(FolderTest, AFolderSwappedForALinkMeanwhileDoesNotHelp) {
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    const auto sub = base / "project" / "sub";
    const auto aside = base / "project" / "aside";
    fs::create_symlink("../outside", base / "project" / "evil");
    const auto evil = base / "project" / "evil";
    const auto spare = base / "project" / "spare";
    while (!stop) {
      std::error_code ignored;
      fs::rename(sub, aside, ignored);
      fs::rename(evil, sub, ignored);
      fs::rename(sub, evil, ignored);
      fs::rename(aside, sub, ignored);
    }
  });
  for (int i = 0; i < 3000; ++i) (void)folder->write("sub/secret", "overwritten", std::nullopt);
  stop = true;
  swapper.join();
  EXPECT_EQ(secret(), "secret");
}

}  // namespace
}  // namespace smaster::files
