#include "files/guard.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "files/folder.hpp"
#include "settings/containment.hpp"
#include "settings/kinds.hpp"

namespace smaster::files {
namespace {

namespace fs = std::filesystem;

struct GuardTest : testing::Test {
  GuardTest() {
    std::string path = (fs::temp_directory_path() / "smaster-guard-XXXXXX").string();
    base = ::mkdtemp(path.data());
    project = base / "project";
    fs::create_directories(project / "state");
    fs::create_directories(project / "sub" / ".git" / "hooks");
    fs::create_directories(project / "save");
    std::ofstream(project / "state" / "key") << "key";
    std::ofstream(project / "update.sh") << "#!/bin/sh";
    folder.emplace(*Folder::open(project));
  }
  ~GuardTest() override { fs::remove_all(base); }

  bool writes(const std::string& name, const Guard& guard) {
    const auto written = folder->write(name, "evil", std::nullopt, &guard);
    if (!written) {
      EXPECT_EQ(written.error().kind, ErrorKind::not_permitted) << name << ": " << written.error().message;
    }
    return static_cast<bool>(written);
  }
  bool removes(const std::string& name, const Guard& guard) {
    return static_cast<bool>(folder->remove(name, &guard));
  }
  bool reads(const std::string& name, const Guard& guard) {
    return static_cast<bool>(folder->open_file(name, &guard));
  }

  fs::path base, project;
  std::optional<Folder> folder;
};

TEST_F(GuardTest, WhatIsKeptIsNeitherReadNorWrittenHoweverItIsReached) {
  fs::create_directory_symlink("state", project / "link");
  fs::create_directory_symlink("link", project / "link-to-link");
  fs::create_symlink("state/key", project / "key-link");
  const Guard guard({{project / "state", "server.state_dir", false}});
  for (const std::string name :
       {"state/key", "state/new", "link/key", "link-to-link/new", "sub/../state/key", "./state/deep/er"}) {
    EXPECT_FALSE(writes(name, guard)) << name;
    EXPECT_FALSE(removes(name, guard) && fs::exists(project / name)) << name;
  }
  for (const std::string name :
       {"state/key", "link/key", "link-to-link/key", "key-link", "save/../state/key"})
    EXPECT_FALSE(reads(name, guard)) << name;
  EXPECT_TRUE(fs::exists(project / "state" / "key"));
  EXPECT_TRUE(writes("save/x", guard));
  EXPECT_TRUE(writes("state2", guard)) << "another name that begins so";
  EXPECT_TRUE(reads("save/x", guard));
  EXPECT_TRUE(removes("save/x", guard));
}

TEST_F(GuardTest, LinksThatLeadToWhatIsKeptStayWhatTheyAre) {
  fs::create_directory(project / "real");
  fs::create_directory_symlink("real", project / "conf");
  const Guard guard({{project / "conf" / "smaster.toml", "the settings file", false}});
  EXPECT_FALSE(writes("conf", guard)) << "the link would become a file";
  EXPECT_FALSE(removes("conf", guard));
  EXPECT_FALSE(writes("conf/smaster.toml", guard));
  EXPECT_FALSE(writes("real/smaster.toml", guard));
  EXPECT_FALSE(writes("real/SMASTER.toml", guard)) << "which some file systems take for the same";
  EXPECT_TRUE(writes("real/other.toml", guard));
}

TEST_F(GuardTest, WhatDoesNotExistYetIsKeptToo) {
  const Guard guard({{project / "secrets" / "token", "shards.token_file", false}});
  EXPECT_FALSE(writes("secrets/token", guard));
  EXPECT_FALSE(writes("secrets", guard)) << "nor a file where its folder will be";
}

TEST_F(GuardTest, GitsFoldersAreKeptEverywhere) {
  const Guard guard({});
  for (const std::string name : {".git/config", ".git", "sub/.git/hooks/post-merge", "sub/.GIT/config",
                                 "new/.git/config", "sub/.git"}) {
    EXPECT_FALSE(writes(name, guard)) << name;
    EXPECT_FALSE(reads(name, guard)) << name;
  }
  fs::create_directory_symlink("sub/.git", project / "harmless");
  EXPECT_FALSE(writes("harmless/config", guard));
  EXPECT_FALSE(fs::exists(project / "new")) << "no folder was made for it either";
  EXPECT_TRUE(writes("sub/.gitignore", guard));
}

TEST_F(GuardTest, AGitFolderIsKeptWhateverItsName) {
  // As `git init --separate-git-dir`, submodules and worktrees make them.
  for (const char* const part : {"gitdata/objects", "gitdata/refs", "gitdata/worktrees/w"}) {
    fs::create_directories(project / part);
  }
  std::ofstream(project / "gitdata" / "HEAD") << "ref: refs/heads/main\n";
  std::ofstream(project / "gitdata" / "worktrees" / "w" / "HEAD") << "ref: refs/heads/w\n";
  std::ofstream(project / "gitdata" / "worktrees" / "w" / "commondir") << "../..\n";
  fs::create_directory(project / "other");
  fs::create_directory_symlink("../gitdata", project / "other" / ".git");
  const Guard guard({});
  for (const std::string name : {"gitdata/config", "gitdata/hooks/post-merge", "gitdata/HEAD",
                                 "gitdata/worktrees/w/config.worktree", "other/.git/config"}) {
    EXPECT_FALSE(writes(name, guard)) << name;
  }
  EXPECT_TRUE(writes("gitdata2/config", guard));
  for (const std::string name : {"save/HEAD", "save/commondir", "HEAD"})
    EXPECT_FALSE(writes(name, guard)) << name;
}

TEST_F(GuardTest, WhatGitsSettingsNameIsKept) {
  fs::create_directories(project / "gitdata");
  std::ofstream(project / ".git") << "gitdir: gitdata\n";
  std::ofstream(project / "gitdata" / "config")
      << "[core]\n\thooksPath = .githooks\n\tfsmonitor = \"./watch.sh --all\"\n[filter \"x\"]\n\tsmudge = "
         "tools/x %f\n";
  server::Settings settings;
  settings.project_dir = project;
  settings.state_dir = base / "state";
  settings.update_command = {"git", "pull"};
  const auto guard = server::guard_for_shards(settings, base / "smaster.toml");
  for (const std::string name : {".githooks/post-merge", "watch.sh", "tools/x"}) {
    EXPECT_FALSE(writes(name, guard)) << name;
  }
  EXPECT_TRUE(writes("tools/y", guard));
}

TEST_F(GuardTest, WhatIsExecutedMayBeRead) {
  const Guard guard({{project / "update.sh", "update.command", true}});
  EXPECT_FALSE(writes("update.sh", guard));
  EXPECT_FALSE(removes("update.sh", guard));
  EXPECT_TRUE(reads("update.sh", guard));
}

TEST_F(GuardTest, OnlyWhatIsWritableIsWrittenIfThatIsSaid) {
  const Guard guard({}, {project / "save", project / "later", project / "one.txt"});
  EXPECT_TRUE(writes("save/a/b", guard));
  EXPECT_TRUE(writes("later/x", guard));
  EXPECT_TRUE(writes("one.txt", guard));
  EXPECT_FALSE(writes("package.json", guard));
  EXPECT_FALSE(writes("sub/x", guard));
  EXPECT_FALSE(writes("save/../package.json", guard));
  EXPECT_TRUE(reads("update.sh", guard));
}

TEST_F(GuardTest, NamesWhatItKeepsBelowAFolder) {
  const Guard guard(
      {{project / "state", "server.state_dir", false}, {base / "elsewhere", "shards.token_file", false}});
  EXPECT_EQ(guard.below(project), std::vector<std::string>{"server.state_dir"});
}

TEST_F(GuardTest, TheSettingsSayWhatIsKeptFromShards) {
  server::Settings settings;
  settings.project_dir = project;
  settings.state_dir = project / "state";
  settings.token_file = project / "token";
  settings.dashboard.password_file = project / "password";
  settings.database_url = "sqlite:" + (project / "data.db").string();
  settings.control_socket = project / "control.sock";
  settings.update_command = {"sh", "-c", "git pull && ./update.sh --all; sh later.sh"};
  settings.mail_enabled = true;
  settings.mail_command = (project / "mail.sh").string();
  const auto guard = server::guard_for_shards(settings, project / "smaster.toml");
  for (const std::string name : {"state/x", "token", "password", "data.db", "data.db-wal", "control.sock",
                                 "update.sh", "later.sh", "mail.sh", "smaster.toml"})
    EXPECT_FALSE(writes(name, guard)) << name;
  EXPECT_TRUE(writes("save/data", guard));
  EXPECT_TRUE(writes("words.json", guard));
}

/// A setting that comes later is kept from shards, too, or fails here.
TEST_F(GuardTest, WhateverSettingNamesAFileOrAProgramIsKept) {
  server::Settings settings;
  settings.project_dir = project;
  settings.state_dir = base / "state";
  settings.mail_enabled = true;
  std::vector<std::string> files;
  for (auto& [section, table] : server::kinds::sections(settings)) {
    for (auto& [key, setting] : table) {
      const bool program = key == "command";
      if (!program && !key.ends_with("file") && !key.ends_with("certificate") && !key.ends_with("key"))
        continue;
      files.push_back(std::string(section) + '.' + std::string(key));
      const auto path = (project / files.back()).string();
      const bool list = setting.set(toml::value<std::string>(path)).has_value();
      ASSERT_FALSE(list && setting.set(toml::array{path})) << files.back();
    }
  }
  ASSERT_GT(files.size(), 10U);
  const auto guard = server::guard_for_shards(settings, base / "smaster.toml");
  for (const auto& name : files) EXPECT_FALSE(writes(name, guard)) << name;
}

TEST_F(GuardTest, ProjectFoldersThatNoGuardHelpsAreRefused) {
  server::Settings settings;
  settings.state_dir = project / "state";
  settings.project_dir = project;
  EXPECT_TRUE(server::check_project_dir(settings));
  settings.project_dir = project / "save" / ".." / "state";
  EXPECT_EQ(server::check_project_dir(settings).error().kind, ErrorKind::bad_config);
  settings.project_dir = "/";
  EXPECT_EQ(server::check_project_dir(settings).error().kind, ErrorKind::bad_config);
}

}  // namespace
}  // namespace smaster::files
