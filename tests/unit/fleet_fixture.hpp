// A server whose shards are connected and whose store does what a test says: what was sent to each shard can
// be read, and what a shard sends is up to the test.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fake_store.hpp"
#include "server_fixture.hpp"

namespace smaster::server {

/// Keeps what was sent to a shard.
class RecordingLink final : public net::Link {
 public:
  void send_frame(const engineio::Frame& frame) override {
    sent_.push_back((frame.data ? *frame.data : "") + (frame.tail ? *frame.tail : ""));
  }
  void close_session() override { closed = true; }
  /// The number of frames with this text.
  [[nodiscard]] std::size_t count(std::string_view text) const {
    std::size_t found = 0;
    for (const auto& frame : sent_) found += frame.find(text) != std::string::npos ? 1 : 0;
    return found;
  }
  [[nodiscard]] bool has(std::string_view text) const { return count(text) > 0; }
  /// The message that answers the last request of this name: its ack, with these arguments.
  [[nodiscard]] std::string answer_to(std::string_view event, const std::string& arguments) const {
    const auto name = "[\"" + std::string(event) + '"';
    for (auto at = sent_.rbegin(); at != sent_.rend(); ++at) {
      const auto name_at = at->find(name);
      if (name_at == std::string::npos) continue;
      // "42", or "451-" with an attachment, then the id.
      const auto dash = at->find('-');
      const auto id_at = dash < name_at ? dash + 1 : 2;
      return '3' + at->substr(id_at, name_at - id_at) + '[' + arguments + ']';
    }
    return {};
  }
  void forget() { sent_.clear(); }
  bool closed = false;

 private:
  std::vector<std::string> sent_;
};

class FleetTest : public ServerTest {
 protected:
  struct Peer {
    RecordingLink link;
    std::optional<ShardSession> session;

    void says(const std::string& message) { session->receive(false, message); }
  };

  FleetTest() : FleetTest(std::make_unique<FakeStore>()) {}
  explicit FleetTest(std::unique_ptr<FakeStore> store) : ServerTest(std::move(store)) {
    server_->settings.count_auto = false;
    server_->restart = [] {};
  }
  /// Ends the server as Server::finish does, while all that a test has is there.
  void TearDown() override {
    fake().go_on();
    for (auto& [who, peer] : peers_) leave(peer);
    const auto finish = [](Wiring& server) -> net::Task<> {
      co_await server.finish(false);
      co_await server.tasks.join();
    };
    tasks_.spawn("finish", finish(*server_));
    run();
  }

  FakeStore& fake() { return static_cast<FakeStore&>(*store_); }
  static fleet::ShardInfo with_id(std::string_view who, int id, int count) {
    auto shard = info(who);
    shard.goal = fleet::Assignment({ShardId{id}}, ShardCount{count});
    return shard;
  }
  /// Commands these shards: of each one the id is that of its place.
  void command(std::initializer_list<std::string_view> shards) {
    const auto count = static_cast<int>(shards.size());
    server_->settings.count = ShardCount{count};
    std::vector<fleet::ShardInfo> all;
    for (const auto who : shards) all.push_back(with_id(who, static_cast<int>(all.size()), count));
    know(std::move(all));
    server_->start();
    for (const auto who : shards) connect(who);
  }
  /// Connects a shard, until it has the master's proof. `auth`: what an agent says about itself.
  Peer& connect(std::string_view who, const std::string& auth = "") {
    auto& peer = peers_[std::string(who)];
    auto reservation = directory().reserve(name(who));
    EXPECT_TRUE(reservation);
    leave(peer);
    peer.link.forget();
    peer.link.closed = false;
    peer.session.emplace(server_->sessions, std::move(*reservation), "127.0.0.1");
    peer.session->opened(peer.link, {});
    peer.says('0' + auth);
    EXPECT_TRUE(run_until([&] { return peer.link.has("masterVerification") || peer.link.closed; }));
    return peer;
  }
  /// Its connection ends.
  static void leave(Peer& peer) {
    if (!peer.session) return;
    peer.session->closed(engineio::CloseReason::transport_close);
    peer.session.reset();
  }
  Peer& peer(std::string_view who) { return peers_.at(std::string(who)); }
  Shard& shard(std::string_view who) { return *directory().find(name(who)); }
  /// Until the store has done all that it was asked to, and what follows from that has happened.
  void settle() {
    const auto read = [](StoreThread& store) -> net::Task<Result<void>> {
      const auto note = co_await store.load_note_in_store("none");
      co_return note ? Result<void>() : note.error();
    };
    for (int i = 0; i < 3; ++i) {
      Result<void> result;
      spawn(read(server_->store), result);
      run();
    }
  }

  std::map<std::string, Peer> peers_;
};

}  // namespace smaster::server
