// An agent with a real bot in this process, without a master: the test says what the master sends. The agent
// ends in turn after each handler of its event loop, while something is under way: sanitizers show what
// outlives what it uses; that the loop runs dry, and that no process is left, shows that everything ends.
#include "agent/agent.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "net/clock.hpp"
#include "server_fixture.hpp"

namespace smaster::agent {
namespace {

/// The master's `update`: run this id of two.
std::string update(int id) {
  return R"({"id":)" + std::to_string(id) +
         R"(,"count":2,"config":{"heartbeat":{"updateStyle":"push","interval":30000}}})";
}

/// A bot that is ready at once, asks for an eval of all, and answers whatever it is asked with 1.
const std::vector<std::string> kBot{"sh", "-c", R"(
  printf '{"_ready":true}\n{"_sEval":"1"}\n' >&3
  while read -r line <&3; do printf '{"_eval":"1","_result":1}\n' >&3; done
)"};

class House {
 public:
  explicit House(std::vector<std::string> command) {
    std::string pattern = testing::TempDir() + "smaster-agent-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    options_.command = std::move(command);
    options_.environment = {"PATH=/usr/bin:/bin"};
    options_.grace = Millis{2'000};
    options_.hooks = false;
    options_.project_dir = folder_;
    project_.emplace(std::move(*files::Folder::open(folder_)));
    storage_.emplace(context_, pool_, folder_);
    shared_.emplace(Shared{context_, tasks_, pool_, options_, nullptr, &*project_, *storage_, boots_});
    if (identify_.listen()) shared_->identify = &identify_;
    const auto file = folder_ / "shard_abc_config.json";
    std::ofstream(file) << "{}";
    const auto& pair = server::ServerTest::keys();
    auto config = std::make_shared<ShardConfig>(ShardConfig{*ShardName::parse_seat("abc"),
                                                            {{false, "127.0.0.1", 1, "/socket.io/master/"}},
                                                            *crypto::Signer::load(pair.private_pem),
                                                            pair.public_pem,
                                                            file});
    lock_.emplace(std::move(*ConfigLock::take(config->file)));
    agent_.emplace(*shared_, config, 0, lock_->descriptor(), std::move(*LeasePage::create()), "{}");
    agent_->on_finished = [this] { finished_ = true; };
    agent_->start();
    // It has tried to connect: from then its lease counts.
    while (context_.run_one_for(Millis{30}) != 0) continue;
    agent_->uplink_up(Millis{0});
  }
  ~House() {
    pool_.join();
    agent_.reset();
    std::filesystem::remove_all(folder_);
  }

  Agent& agent() { return *agent_; }
  const std::filesystem::path& folder() const { return folder_; }
  /// An event of the master.
  void says(std::string_view name, const std::vector<std::string>& arguments,
            std::optional<socketio::AckId> ack_id = {}) {
    agent_->uplink_heard();
    agent_->uplink_event(name, ack_id, {{arguments.begin(), arguments.end()}, {}, {}});
  }
  /// Runs handlers; true if nothing more happens for a while.
  bool run_steps(int most) {
    for (int i = 0; i < most; ++i) {
      if (context_.run_one_for(Millis{200}) == 0) return true;
    }
    return false;
  }
  bool run_until(const std::function<bool()>& done) {
    const auto until = net::now() + std::chrono::seconds{20};
    while (!done() && net::now() < until) context_.run_one_for(Millis{100});
    return done();
  }
  void end() {
    agent_->stop();
    EXPECT_TRUE(run_until([this] { return finished_; }));
    storage_->stop();
    tasks_.cancel();
    EXPECT_TRUE(run_until([this] { return tasks_.running() == 0; }));
  }

 private:
  net::asio::io_context context_{1};
  net::TaskScope tasks_{context_.get_executor(), "agent"};
  net::asio::thread_pool pool_{1};
  AgentOptions options_;
  std::filesystem::path folder_;
  std::optional<files::Folder> project_;
  std::optional<StorageGauge> storage_;
  IdentifyServer identify_{context_};
  Boots boots_{context_};
  std::optional<Shared> shared_;
  std::optional<ConfigLock> lock_;
  std::optional<Agent> agent_;
  bool finished_ = false;
};

/// Ends an agent after each handler, until nothing happens by itself or `most` handlers have run.
void end_at_each_step(const std::vector<std::string>& command, int most,
                      const std::function<void(House&)>& begin) {
  for (int steps = 0; steps < most; ++steps) {
    bool over = false;
    {
      House house(command);
      begin(house);
      over = house.run_steps(steps);
      house.end();
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a process is left after " << steps << " handlers";
    if (over) return;
  }
}

TEST(AgentShutdown, WhileItsBotStarts) {
  end_at_each_step(kBot, 30, [](House& house) { house.says("update", {update(0)}); });
}

TEST(AgentShutdown, WhileTheMasterAsks) {
  end_at_each_step(kBot, 40, [](House& house) {
    house.says("update", {update(0)});
    house.says("evalRequest", {R"("1")"}, 1);
    house.says("message", {R"({"a":1})", "1"}, 2);
    house.says("fetchProp", {R"("guilds.cache.size")"}, 3);
    house.says("getFile", {R"("none")"}, 4);
    house.says("masterKey", {R"("no key")", R"("no signature")"}, 5);
  });
}

TEST(AgentShutdown, WhileItsBotIsRestarted) {
  end_at_each_step(kBot, 40, [](House& house) {
    house.says("update", {update(0)});
    house.says("respawn", {"0"});
    house.says("update", {update(1)});
  });
}

TEST(AgentShutdown, WhileItsBotDies) {
  end_at_each_step({"sh", "-c", "exit 3"}, 30, [](House& house) { house.says("update", {update(0)}); });
}

TEST(AgentShutdown, WithoutAProgramToRun) {
  end_at_each_step({"/nonexistent/bot"}, 20, [](House& house) { house.says("update", {update(0)}); });
}

TEST(AgentShutdown, WhenTheMasterDismissesIt) {
  end_at_each_step(kBot, 30, [](House& house) {
    house.says("update", {update(0)});
    house.says("update", {R"({"id":-2})"});
  });
}

TEST(AgentShutdown, WhenAnotherAgentHasItsSlot) {
  end_at_each_step(kBot, 30, [](House& house) {
    house.says("update", {update(0)});
    house.agent().uplink_refused("another agent has it");
  });
}

}  // namespace
}  // namespace smaster::agent
