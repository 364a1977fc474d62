// Mails whose program is missing, fails, hangs or ends late: none blocks those behind it, and none comes
// again and again.
#include "server/requests/mail.hpp"

#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "loop_fixture.hpp"

namespace smaster::server {
namespace {

using std::chrono::hours;

class Mails : public LoopTest {
 protected:
  Mails() {
    std::signal(SIGPIPE, SIG_IGN);  // as in every program: some of these read no input
    std::string pattern = testing::TempDir() + "smaster-mail-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    settings_.mail_enabled = true;
    settings_.mail_command = "sh";
    settings_.mail_alert_message = "{text}\n";
    settings_.mail_create_message = "{id}\n";
    settings_.mail_create_fail_message = "{errors}\n";
    sends("cat >> mails");
  }
  ~Mails() override {
    // Programs that the end has stopped must not be children of the next test.
    while (::waitpid(-1, nullptr, 0) > 0) continue;
    std::filesystem::remove_all(folder_);
  }

  /// The program that sends mails from now on.
  void sends(const std::string& script) {
    settings_.mail_args = settings_.mail_fail_args = {"-c", "cd '" + folder_.string() + "'; " + script};
  }
  /// Calls from within the event loop, as all of them come.
  void in_loop(const std::function<void()>& call) {
    bool called = false;
    net::asio::post(context_, [&] {
      call();
      called = true;
    });
    EXPECT_TRUE(run_until([&] { return called; }));
  }
  void alert(const std::string& text) {
    in_loop([this, text] { mail_.alert(text); });
  }
  [[nodiscard]] std::string sent() const {
    const auto text = read_file(folder_ / "mails");
    return text ? *text : "";
  }

  std::filesystem::path folder_;
  Settings settings_;
  Mail mail_{{context_, settings_, tasks_}};
};

TEST_F(Mails, EachAlertIsSent) {
  alert("a");
  alert("a");
  run();
  alert("b");
  run();
  EXPECT_EQ(sent(), "a\na\nb\n") << "who sends them decides how often";
}

TEST_F(Mails, AFailureIsMailedOnceAnHourPerText) {
  in_loop([this] {
    for (int i = 0; i < 3; ++i) mail_.config_failed("no disk");
    mail_.config_failed("no keys");
  });
  run();
  EXPECT_EQ(sent(), "no disk\nno keys\n");
  pass(hours(1) - std::chrono::minutes(10));
  in_loop([this] { mail_.config_failed("no disk"); });
  EXPECT_EQ(mail_.waiting(), 0U);
  pass(std::chrono::minutes(11));
  in_loop([this] { mail_.config_failed("no disk"); });
  run();
  EXPECT_EQ(sent(), "no disk\nno keys\nno disk\n");
}

TEST_F(Mails, ThoseBehindAProgramThatFailsAreSent) {
  sends("exit 3");
  alert("a");
  sends("kill -9 $$");
  alert("b");
  settings_.mail_command = "no-such-program";
  alert("c");
  settings_.mail_command = "sh";
  sends("cat >> mails");
  alert("d");
  run();
  EXPECT_EQ(sent(), "d\n");
  EXPECT_EQ(mail_.waiting(), 0U);
}

TEST_F(Mails, AProgramThatHangsIsEndedAfterItsTimeout) {
  sends("exec sleep 1000");
  alert("a");
  sends("cat >> mails");
  alert("b");
  poll();
  pass(settings_.mail_timeout);
  run();
  EXPECT_EQ(sent(), "b\n");
}

TEST_F(Mails, OneAtATimeInTheirOrder) {
  sends("mkdir busy && cat >> mails; rmdir busy");
  std::string all;
  in_loop([&] {
    for (char c = 'a'; c <= 'f'; ++c) {
      mail_.alert(std::string(1, c));
      all += std::string(1, c) + '\n';
    }
  });
  EXPECT_EQ(mail_.waiting(), 5U) << "the first is being sent";
  run();
  EXPECT_EQ(sent(), all);
}

TEST_F(Mails, AConfigWithoutAPlaceIsRemovedHoweverItsMailEnds) {
  for (const char* const script : {"cat >> mails", "exit 1"}) {
    sends(script);
    const auto config = folder_ / "shard_abc_config.json";
    std::ofstream(config) << "{}";
    in_loop([&] { mail_.config_created(*ShardName::parse("abc"), "key", config, true); });
    run();
    EXPECT_FALSE(std::filesystem::exists(config));
  }
}

TEST_F(Mails, TooManyAreDroppedAndTheRestIsSent) {
  sends("cat >> mails");
  in_loop([this] {
    for (int i = 0; i < 1'100; ++i) mail_.alert(std::to_string(i));
  });
  EXPECT_EQ(mail_.waiting(), 1'000U);
  tasks_.cancel();
  run();
}

TEST_F(Mails, TheEndOfTheServerEndsAProgramThatHangs) {
  sends("exec sleep 1000");
  alert("a");
  poll();
  EXPECT_EQ(tasks_.running(), 1U);
  tasks_.cancel();
  run();
  EXPECT_EQ(tasks_.running(), 0U);
  int status = 0;
  ASSERT_GT(::waitpid(-1, &status, 0), 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace smaster::server
