// Updates whose command is missing, fails, hangs or is cancelled: one at a time, and none blocks the next.
#include "server/requests/update.hpp"

#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "loop_fixture.hpp"

namespace smaster::server {
namespace {

using Outcome = std::optional<Result<void>>;

class UpdateCommands : public LoopTest {
 protected:
  UpdateCommands() {
    std::signal(SIGPIPE, SIG_IGN);  // as in every program
    std::string pattern = testing::TempDir() + "smaster-update-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    settings_.project_dir = folder_;
  }
  ~UpdateCommands() override {
    // Programs that the end has stopped must not be children of the next test.
    while (::waitpid(-1, nullptr, 0) > 0) continue;
    std::filesystem::remove_all(folder_);
  }

  void command(const std::string& script) { settings_.update_command = {"sh", "-c", script}; }
  net::Task<Result<void>> begin() {
    return update_.run([this](net::Output from, std::string_view line) {
      lines_ += std::string(from == net::Output::err ? "! " : "") + std::string(line) + '\n';
    });
  }
  Result<void> update() {
    Outcome outcome;
    spawn(begin(), outcome);
    run();
    return outcome ? *outcome : fail(ErrorKind::internal, "it has not ended");
  }

  std::filesystem::path folder_;
  Settings settings_;
  Update update_{{context_, settings_}};
  std::string lines_;
};

TEST_F(UpdateCommands, RunInTheProjectAndTheirLinesArePassedOn) {
  command("pwd; echo $GIT_CONFIG_KEY_0=$GIT_CONFIG_VALUE_0; printf rest");
  EXPECT_TRUE(update());
  EXPECT_EQ(lines_, std::filesystem::canonical(folder_).string() + "\nsafe.bareRepository=explicit\nrest\n");
}

TEST_F(UpdateCommands, NoneIsNoError) {
  EXPECT_TRUE(update());
  EXPECT_EQ(lines_, "");
}

TEST_F(UpdateCommands, OneThatFailsIsAnErrorWithItsNameAndTheNextOneRuns) {
  command("echo conflict >&2; exit 3");
  const auto failed = update();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::internal);
  EXPECT_EQ(failed.error().message, "sh ended with exit code 3");
  EXPECT_EQ(lines_, "! conflict\n");
  settings_.update_command = {"/nonexistent/update"};
  EXPECT_EQ(update().error().kind, ErrorKind::cannot_create);
  command("true");
  EXPECT_TRUE(update());
}

TEST_F(UpdateCommands, ASecondOneAtTheSameTimeIsRefusedAndDoesNotDisturbTheFirst) {
  command("echo begun; while ! test -e go; do sleep 0.01; done; echo ended");
  Outcome first;
  spawn(begin(), first);
  ASSERT_TRUE(run_until([this] { return !lines_.empty(); }));
  Outcome second;
  spawn(begin(), second);
  poll();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->error().kind, ErrorKind::unavailable);
  EXPECT_FALSE(first);
  std::filesystem::create_directory(folder_ / "go");
  run();
  ASSERT_TRUE(first);
  EXPECT_TRUE(*first);
  EXPECT_EQ(lines_, "begun\nended\n");
  EXPECT_TRUE(update());
}

TEST_F(UpdateCommands, OneThatHangsIsStoppedAfterItsTimeout) {
  command("echo begun; exec sleep 1000");
  Outcome outcome;
  spawn(begin(), outcome);
  ASSERT_TRUE(run_until([this] { return !lines_.empty(); }));
  pass(settings_.update_timeout);
  run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().message, "sh ended with stopped after 10m");
}

TEST_F(UpdateCommands, SettingsThatChangeMeanwhileAreForTheNextOne) {
  command("echo begun; while ! test -e go; do sleep 0.01; done; exit 4");
  Outcome outcome;
  spawn(begin(), outcome);
  ASSERT_TRUE(run_until([this] { return !lines_.empty(); }));
  settings_ = Settings();
  std::filesystem::create_directory(folder_ / "go");
  run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().message, "sh ended with exit code 4");
  EXPECT_TRUE(update()) << "no command is set now";
}

TEST_F(UpdateCommands, CancellingStopsTheCommandAndTheNextUpdateRuns) {
  command("echo begun; exec sleep 1000");
  {
    net::TaskScope tasks(context_.get_executor(), "test");
    Outcome outcome;
    tasks.spawn("update", store_result(begin(), outcome));
    ASSERT_TRUE(run_until([this] { return !lines_.empty(); }));
    tasks.cancel();
    ASSERT_TRUE(run_until([&] { return tasks.running() == 0; }));
    EXPECT_FALSE(outcome);
  }
  int status = 0;
  ASSERT_GT(::waitpid(-1, &status, 0), 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  command("true");
  EXPECT_TRUE(update());
}

TEST(UpdateScripts, AreKnownByTheirBeginning) {
  EXPECT_TRUE(is_update("this.runBotUpdate()"));
  EXPECT_TRUE(is_update("this.runBotUpdate(true)"));
  EXPECT_FALSE(is_update("this.runBotUpdate"));
  EXPECT_FALSE(is_update(" this.runBotUpdate()"));
  EXPECT_FALSE(is_update(""));
}

}  // namespace
}  // namespace smaster::server
