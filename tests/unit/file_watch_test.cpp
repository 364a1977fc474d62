// Files that are edited in all the ways that editors and programs have, also while they are read: each edit
// is reported, and nothing after the end.
#include "server/process/file_watch.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/file.hpp"
#include "loop_fixture.hpp"

namespace smaster::server {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr Millis kSettled{100};

class EditedFiles : public LoopTest {
 protected:
  EditedFiles() {
    std::string pattern = testing::TempDir() + "smaster-watch-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write("a", "1");
    write("b", "1");
    begin();
  }
  ~EditedFiles() override {
    end();
    fs::remove_all(folder_);
  }

  void begin() {
    watch_.emplace(context_, [this](const fs::path& file) {
      const auto name = file.filename().string();
      const auto text = read_file(file);
      reported_.push_back(name + '=' + (text ? *text : "?"));
      if (on_report_) on_report_(name);
    });
    watch_->watch({folder_ / "a", folder_ / "b"});
  }
  void end() {
    watch_->stop();
    poll();
    watch_.reset();
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  void rename(const std::string& from, const std::string& to) { fs::rename(folder_ / from, folder_ / to); }
  /// What was reported since the last call, once the edits have settled.
  Words reported(Millis after = kSettled) {
    poll();  // the events
    pass(after);
    return std::exchange(reported_, {});
  }

  fs::path folder_;
  std::optional<FileWatch> watch_;
  Words reported_;
  std::function<void(const std::string&)> on_report_;
};

TEST_F(EditedFiles, ManyEditsInAMomentAreReportedOnceWithTheLastContent) {
  for (int i = 0; i < 10; ++i) {
    write("a", "edit " + std::to_string(i));
    poll();
  }
  EXPECT_TRUE(reported_.empty()) << "the editor may not have finished";
  EXPECT_EQ(reported(), Words{"a=edit 9"});
  EXPECT_EQ(reported(), Words());
  write("a", "next");
  write("b", "too");
  EXPECT_EQ(reported(), (Words{"a=next", "b=too"}));
}

TEST_F(EditedFiles, OtherFilesOfTheFolderAreNoEdits) {
  write("c", "1");
  EXPECT_EQ(reported(), Words());
}

TEST_F(EditedFiles, ASaveByRenameIsReported) {
  write("a~", "1");  // of the same size: the file's number tells them apart
  fs::last_write_time(folder_ / "a~", fs::last_write_time(folder_ / "a"));
  rename("a~", "a");
  EXPECT_EQ(reported(), Words{"a=1"});
}

TEST_F(EditedFiles, ARemovedFileIsReportedWhenItIsThereAgain) {
  fs::remove(folder_ / "a");
  EXPECT_EQ(reported(), Words());
  write("a", "2");
  EXPECT_EQ(reported(), Words{"a=2"});
}

TEST_F(EditedFiles, AFileThatWasMissingFromTheBeginningIsReportedWhenItIsMade) {
  watch_->watch({folder_ / "late"});
  EXPECT_EQ(reported(), Words());
  write("late", "1");
  EXPECT_EQ(reported(), Words{"late=1"});
}

TEST_F(EditedFiles, OneThatIsStillBeingWrittenIsReportedAgainWhenItIsFinished) {
  std::ofstream file(folder_ / "a");
  file << "ha" << std::flush;
  EXPECT_EQ(reported(), Words()) << "nothing was closed";
  write("b", "2");  // all are looked at
  EXPECT_EQ(reported(), (Words{"a=ha", "b=2"}));
  file << "lf" << std::flush;
  EXPECT_EQ(reported(), Words());
  file.close();
  EXPECT_EQ(reported(), Words{"a=half"});
}

TEST_F(EditedFiles, OneThatChangesWhileItIsReadIsReportedAgain) {
  on_report_ = [this](const std::string&) {
    on_report_ = nullptr;
    write("a", "newer");
  };
  write("a", "new");
  EXPECT_EQ(reported(), Words{"a=new"});
  EXPECT_EQ(reported(), Words{"a=newer"});
}

TEST_F(EditedFiles, ALinkThatPointsElsewhereNowIsReported) {
  fs::create_directory(folder_ / "one");
  fs::create_directory(folder_ / "two");
  write("one/file", "old");
  write("two/file", "new");
  fs::create_directory_symlink("one", folder_ / "now");
  fs::create_symlink("now/file", folder_ / "link");
  watch_->watch({folder_ / "link"});
  EXPECT_EQ(reported(), Words());
  // As volumes of Kubernetes do it: the watched name itself is not touched.
  fs::create_directory_symlink("two", folder_ / "now~");
  rename("now~", "now");
  EXPECT_EQ(reported(), Words{"link=new"});
}

TEST_F(EditedFiles, WhileNoFileCanBeOpenedAnEditIsNotForgotten) {
  write("a", "2");
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto meanwhile = reported();
  const auto later = reported(Millis{1'000});
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(meanwhile, Words());
  EXPECT_EQ(later, Words());
  EXPECT_EQ(reported(Millis{1'000}), Words{"a=2"});
  EXPECT_EQ(reported(Millis{1'000}), Words());
}

TEST_F(EditedFiles, APipeInItsPlaceIsNotReadAndWhatReplacesItIs) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  rename("pipe", "a");
  EXPECT_EQ(reported(), Words());
  fs::remove(folder_ / "a");
  write("a", "2");
  EXPECT_EQ(reported(Millis{1'000}), Words{"a=2"});
}

TEST_F(EditedFiles, AnEditJustBeforeTheFilesToWatchChangeIsReported) {
  write("a", "2");
  watch_->watch({folder_ / "a"});
  EXPECT_EQ(reported(), Words{"a=2"});
}

TEST_F(EditedFiles, AReportMayChangeWhichFilesAreWatched) {
  write("c", "1");
  on_report_ = [this](const std::string& name) {
    if (name == "a") watch_->watch({folder_ / "a", folder_ / "c"});
  };
  write("a", "2");
  EXPECT_EQ(reported(), Words{"a=2"});
  write("b", "2");
  write("c", "2");
  EXPECT_EQ(reported(), Words{"c=2"});
}

TEST_F(EditedFiles, OneWhoseFolderWasMissingIsReportedWithTheNextEditElsewhere) {
  watch_->watch({folder_ / "none" / "a", folder_ / "b"});
  fs::create_directory(folder_ / "none");
  write("none/a", "1");
  write("b", "2");
  EXPECT_EQ(reported(), (Words{"b=2", "a=1"})) << "in the order of their paths";
}

TEST_F(EditedFiles, NothingIsReportedAfterTheEndWhereverItComes) {
  int reports = 0;
  for (int steps = 0; steps < 20; ++steps) {
    end();
    begin();
    reported_.clear();
    write("a", std::to_string(steps));
    context_.restart();
    for (int i = 0; i < steps; ++i) {
      write("b", std::to_string(i));
      net::Clock::advance(kSettled);
      net::Timer due(context_.get_executor(), Instant::min());
      due.async_wait([](boost::system::error_code) {});
      context_.poll_one();
    }
    reports += static_cast<int>(reported_.size());
    watch_->stop();
    reported_.clear();
    EXPECT_EQ(reported(2 * kSettled), Words()) << "after " << steps << " handlers";
    watch_->watch({folder_ / "a", folder_ / "c"});
    write("c", "1");
    EXPECT_EQ(reported(), Words());
  }
  EXPECT_GT(reports, 0) << "it never came as far as a report";
}

}  // namespace
}  // namespace smaster::server
