// All parts of a server in this process, with an in-memory link for each shard: tests force the order of
// events.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "crypto/keys.hpp"
#include "loop_fixture.hpp"
#include "server/process/wiring.hpp"
#include "server/shards/shard_session.hpp"
#include "store/store.hpp"

namespace smaster::server {

class FakeLink final : public net::Link {
 public:
  void send_frame(const engineio::Frame&) override { ++sent; }
  void close_session() override { closed = true; }
  int sent = 0;
  bool closed = false;
};

class ServerTest : public LoopTest {
 public:
  /// One key for all tests: making one takes a while.
  static const crypto::KeyPair& keys() {
    static const auto pair = *crypto::generate_key_pair(2048);
    return pair;
  }

  static ShardName name(std::string_view text) { return *ShardName::parse_seat(text); }

  static fleet::ShardInfo info(std::string_view text, bool master = false) {
    fleet::ShardInfo info(name(text));
    info.key = keys().public_pem;
    info.is_master = master;
    return info;
  }

 protected:
  ServerTest() : ServerTest(nullptr) {}
  /// With this store; null: an embedded one.
  explicit ServerTest(std::unique_ptr<store::FileStore> store) {
    std::string pattern = testing::TempDir() + "smaster-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    Settings settings;
    settings.state_dir = folder_;
    store_ = store ? std::move(store) : std::move(*store::open_sqlite(folder_ / "s.db"));
    server_.emplace(context_, settings, *store_, *store_, *crypto::Signer::load(keys().private_pem));
    server_->reload_keys = [this]() -> net::Task<Result<void>> {
      ++reloads_;
      co_return Result<void>();
    };
    server_->leadership.lease_until(Leadership::kForGood);
    server_->leadership.begin();
  }
  ~ServerTest() override {
    join();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void know(std::vector<fleet::ShardInfo> shards) {
    server_->registration.take({std::move(shards), {}, {}, {}});
  }
  Directory& directory() { return server_->directory; }
  Registration& registration() { return server_->registration; }
  using LoopTest::spawn;
  void spawn(net::Task<Result<void>> task, Result<void>& result) {
    result = fail(ErrorKind::internal, "it has not ended");
    tasks_.spawn("test", store(std::move(task), result));
  }
  static net::Task<> store(net::Task<Result<void>> task, Result<void>& result) {
    result = co_await std::move(task);
  }
  /// A shard's message: it runs its id since `started`.
  static std::string status_text(int id, int count, int started) {
    const auto both = [](const std::string& name, int value) {
      return "\"goal" + name + "\":" + std::to_string(value) + ",\"current" + name +
             "\":" + std::to_string(value) + ',';
    };
    return "2[\"status\",{" + both("ShardId", id) + both("ShardCount", count) +
           "\"startTime\":" + std::to_string(started) + ",\"stopTime\":0}]";
  }
  /// Up to where a shard has its place: it has said that it is there.
  static void connect(ShardSession& session, FakeLink& link) {
    session.opened(link, {});
    session.receive(false, "0");
  }
  void join() {
    server_->store.join();
    server_->signatures.join();
    server_->slow_work.join();
    server_->rendering.join();
    server_->files.join();
  }

  std::filesystem::path folder_;
  std::unique_ptr<store::FileStore> store_;
  std::optional<Wiring> server_;
  int reloads_ = 0;
};

}  // namespace smaster::server
