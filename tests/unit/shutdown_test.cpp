// A server that ends while something is under way: in turn after each handler of its event loop. Sanitizers
// show what outlives what it uses; that the loop runs dry shows that everything ends.
#include "server/requests/eval.hpp"
#include "server/requests/reshard.hpp"
#include "server/requests/respawn.hpp"
#include "server_fixture.hpp"

namespace smaster::server {
namespace {

/// A server with two connected shards, ids 0 and 1 of 2.
class House final : public ServerTest {
 public:
  House() {
    server_->settings.count = ShardCount{2};
    server_->settings.count_auto = false;
    know({with_id("abc", 0), with_id("abd", 1)});
    server_->start();
    for (const char* const each : {"abc", "abd"}) connect(each);
    context_.restart();
    while (!(is_connected("abc") && is_connected("abd"))) context_.run_one();
  }
  void TestBody() override {}

  Wiring& server() { return *server_; }
  void connect(std::string_view who) {
    auto& link = *links_.emplace_back(std::make_unique<FakeLink>());
    auto reservation = directory().reserve(name(who));
    if (!reservation) return;
    auto& session = *sessions_.emplace_back(
        std::make_unique<ShardSession>(server_->sessions, std::move(*reservation), "127.0.0.1"));
    ServerTest::connect(session, link);
  }
  void say(const std::string& message) { sessions_.front()->receive(false, message); }
  void status(int id, int started) {
    sessions_.at(static_cast<std::size_t>(id))->receive(false, status_text(id, 2, started));
  }
  static std::vector<RespawnTarget> targets() {
    return {{ShardId{0}, name("abc"), true}, {ShardId{1}, name("abd"), true}};
  }
  template <class Value>
  void spawn(net::Task<Value> task) {
    const auto drop = [](net::Task<Value> inner) -> net::Task<> { (void)co_await std::move(inner); };
    server_->tasks.spawn("operation", drop(std::move(task)));
  }
  /// Runs handlers; true if nothing more happens for a while.
  bool run_steps(int most) {
    context_.restart();
    for (int i = 0; i < most; ++i) {
      if (context_.run_one_for(Millis{300}) == 0) return true;
    }
    return false;
  }
  /// The server's end: Server::finish.
  void end() {
    for (const auto& session : sessions_) session->close();
    const auto finish = [](Wiring& server) -> net::Task<> {
      co_await server.finish(true);
      co_await server.tasks.join();
    };
    tasks_.spawn("finish", finish(*server_));
    run();
    for (const auto& session : sessions_) session->closed(engineio::CloseReason::server_close);
    sessions_.clear();
    context_.restart();
    context_.poll();
    EXPECT_EQ(server_->tasks.running(), 0U);
    EXPECT_EQ(server_->fleet_tasks.running(), 0U);
  }
  std::shared_ptr<void> kept;  ///< what an operation's caller keeps

 private:
  static fleet::ShardInfo with_id(std::string_view who, int id) {
    auto shard = info(who);
    shard.goal = fleet::Assignment({ShardId{id}}, ShardCount{2});
    return shard;
  }
  bool is_connected(std::string_view who) { return directory().find(name(who))->connected(); }

  std::vector<std::unique_ptr<FakeLink>> links_;
  std::vector<std::unique_ptr<ShardSession>> sessions_;
};

void end_at_each_step(const std::function<void(House&)>& begin) {
  constexpr int kMostSteps = 200;
  for (int steps = 0; steps < kMostSteps; ++steps) {
    House house;
    begin(house);
    const bool over = house.run_steps(steps);
    house.end();
    if (over) return;
  }
  ADD_FAILURE() << "it has not ended after " << kMostSteps << " handlers";
}

TEST(Shutdown, WhileShardsConnectAndSendStatuses) {
  end_at_each_step([](House& house) {
    house.status(0, 1);
    house.connect("abc");  // again: it replaces the first
    house.status(1, 1);
  });
}

TEST(Shutdown, DuringAnEval) {
  end_at_each_step([](House& house) {
    house.kept = Eval::start(
        house.server().evals, Question::eval("1"), {ShardId{0}, ShardId{1}, ShardId{2}}, Millis{1},
        [](const EvalAnswer&) {}, [] {});
  });
}

TEST(Shutdown, DuringAShardsEvalOfAll) {
  end_at_each_step([](House& house) {
    house.say(R"(21["broadcastEval","1"])");
    house.say(R"(22["sendMessage",null,"1"])");
    house.say(R"(23["respawnAll"])");
    house.say(R"(24["getFile","none",0])");
  });
}

TEST(Shutdown, DuringARespawnThatIsWaitedFor) {
  end_at_each_step([](House& house) {
    auto watch = std::make_shared<RespawnWatch>(house.server().respawn_parts);
    for (const auto& target : House::targets()) watch->add(target);
    respawn(house.server().respawn_parts, House::targets(), Millis{1});
    const auto nothing = [](const auto&...) {};
    house.kept = watch;
    house.spawn(watch->run(Millis{0}, Millis{30}, nothing, nothing));
    house.status(0, 1);
  });
}

TEST(Shutdown, DuringAReshard) {
  end_at_each_step([](House& house) {
    Reshard request{ShardCount{1}, {}, false, true, Millis{30}};
    house.spawn(reshard(house.server().reshard_parts, std::move(request)));
  });
}

TEST(Shutdown, WhileShardsAreAddedAndRevoked) {
  end_at_each_step([](House& house) {
    house.spawn(house.server().registration.add({ServerTest::info("abe"), ServerTest::info("abc-1")}));
    house.spawn(house.server().registration.remove({ServerTest::name("abc")}));
  });
}

TEST(Shutdown, WhileTheKeyIsReplaced) {
  end_at_each_step(
      [](House& house) { house.spawn(house.server().rotation.replace(ServerTest::keys().private_pem)); });
}

}  // namespace
}  // namespace smaster::server
