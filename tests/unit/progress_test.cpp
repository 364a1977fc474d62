// Those who wait for a respawn or a reshard are woken by what happens, not by looking again and again.
#include "server/requests/reshard.hpp"
#include "server/requests/respawn.hpp"
#include "server_fixture.hpp"

namespace smaster::server {
namespace {

class Progress : public ServerTest {
 protected:
  Progress() {
    server_->settings.count = ShardCount{1};
    server_->settings.count_auto = false;
    auto only = info("abc");
    only.goal = only.current = fleet::Assignment({ShardId{0}}, ShardCount{1});
    know({only});
    server_->goal.follow_settings();
    session_.emplace(server_->sessions, *directory().reserve(name("abc")), "127.0.0.1");
    connect(*session_, link_);
    context_.restart();
    while (!shard().connected()) context_.run_one();
    status(1'000);
  }
  ~Progress() override {
    server_->tasks.cancel();
    session_->closed(engineio::CloseReason::client_close);
    session_.reset();
    context_.restart();
    context_.poll();
  }

  Shard& shard() { return *directory().find(name("abc")); }
  void status(int started) { session_->receive(false, status_text(0, 1, started)); }
  void watch(Millis timeout) {
    auto watch = std::make_shared<RespawnWatch>(server_->respawn_parts);
    watch->add({ShardId{0}, name("abc"), true});
    const auto run = [](auto watch, auto timeout, auto& said) -> net::Task<> {
      co_await watch->run(
          Millis{0}, timeout, [&](const ShardName& name, Millis) { said.push_back(name.str() + " is back"); },
          [&](const ShardName& name, std::int64_t) { said.push_back(name.str() + " is late"); });
    };
    tasks_.spawn("watch", run(watch, timeout, said_));
  }

  FakeLink link_;
  std::optional<ShardSession> session_;
  std::vector<std::string> said_;
};

TEST_F(Progress, ARespawnedShardIsBackWithTheStatusThatSaysSo) {
  watch(std::chrono::hours(1));
  context_.poll();
  status(1'000);
  context_.poll();
  EXPECT_TRUE(said_.empty()) << "still the old bot";
  status(2'000);
  context_.poll();
  EXPECT_EQ(said_, (std::vector<std::string>{"abc is back"}));
  EXPECT_EQ(tasks_.running(), 0U);
}

TEST_F(Progress, AShardThatDoesNotComeBackIsLateAtTheTimeout) {
  watch(Millis{1});
  run();
  EXPECT_EQ(said_, (std::vector<std::string>{"abc is late"}));
}

TEST_F(Progress, AReshardThatNobodyFollowsAnyMoreEnds) {
  Result<std::shared_ptr<control::LineStream>> lines = fail(ErrorKind::internal, "it has not ended");
  const auto begin = [&]() -> net::Task<> {
    Reshard request{ShardCount{2}, {}, false, true, std::chrono::hours(1)};
    lines = co_await reshard(server_->reshard_parts, std::move(request));
  };
  tasks_.spawn("reshard", begin());
  run();
  ASSERT_TRUE(lines);
  while (server_->tasks.running() == 0) context_.run_one();
  (*lines)->on_gone();
  context_.restart();
  while (server_->tasks.running() > 0) context_.run_one();
}

}  // namespace
}  // namespace smaster::server
