// Who is registered, admitted and connected, where these change while something is waited for: the
// interleavings are forced.
#include "base/file.hpp"
#include "server/keys/key_files.hpp"
#include "server/requests/eval.hpp"
#include "server_fixture.hpp"

namespace smaster::server {
namespace {

class Registry : public ServerTest {};

TEST_F(Registry, AShardThatIsRevokedBetweenAdmissionAndItsConnectionIsClosed) {
  know({info("abc")});
  auto reservation = directory().reserve(name("abc"));
  ASSERT_TRUE(reservation);
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  context_.poll();
  FakeLink link;
  ShardSession session(server_->sessions, std::move(*reservation), "127.0.0.1");
  connect(session, link);
  run();
  EXPECT_TRUE(link.closed);
  EXPECT_TRUE(removed);
  session.closed(engineio::CloseReason::server_close);
  EXPECT_EQ(directory().find(name("abc")), nullptr);
}

TEST_F(Registry, AReservationIsNotForAnotherShardThatGotTheName) {
  know({info("abc")});
  auto reservation = directory().reserve(name("abc"));
  Result<void> done;
  spawn(registration().remove({name("abc")}), done);
  run();
  spawn(registration().add({info("abc")}), done);
  run();
  ASSERT_TRUE(done);
  FakeLink link;
  ShardSession session(server_->sessions, std::move(*reservation), "127.0.0.1");
  connect(session, link);
  EXPECT_TRUE(link.closed);
  EXPECT_EQ(directory().find(name("abc"))->session, nullptr);
}

TEST_F(Registry, HeadersThatWereUsedAreUsedWhenTheShardIsBack) {
  auto before = info("abc");
  const auto now = net::wall_clock();
  ASSERT_TRUE(before.used.insert(now, now - std::chrono::minutes(5)));
  know({before});
  Result<void> done;
  spawn(registration().remove({name("abc")}), done);
  run();
  ASSERT_TRUE(done);
  const auto note = store_->load_note(kRevokedNote);
  ASSERT_TRUE(note);
  EXPECT_TRUE(fleet::Revoked::parse(*note).used(name("abc"), now - std::chrono::minutes(5)).contains(now));
  EXPECT_FALSE(fleet::Revoked::parse(*note).used(name("abc"), now + std::chrono::minutes(5)).contains(now));
  spawn(registration().add({info("abc")}), done);
  run();
  ASSERT_TRUE(done);
  EXPECT_TRUE(directory().find(name("abc"))->info.used.contains(now));
}

TEST_F(Registry, AProcessWhoseKeyIsRevokedWhileItIsSavedIsNotRegistered) {
  know({info("abc")});
  Result<void> added;
  Result<void> removed;
  spawn(registration().add({info("abc-1")}), added);
  spawn(registration().remove({name("abc")}), removed);
  run();
  EXPECT_TRUE(removed);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().kind, ErrorKind::not_found);
  EXPECT_EQ(directory().find(name("abc-1")), nullptr);
  EXPECT_TRUE(store_->load_registry()->empty()) << "it would be back after a restart";
}

TEST_F(Registry, TwoConnectionsOfOneNewProcessRegisterItOnce) {
  know({info("abc")});
  Result<void> first;
  Result<void> second;
  spawn(registration().add({info("abc-1")}), first);
  spawn(registration().add({info("abc-1")}), second);
  run();
  EXPECT_TRUE(first && second);
  EXPECT_EQ(directory().shards().size(), 2u);
}

TEST_F(Registry, OfTwoMasterShardsAtOnceTheSecondIsRefused) {
  know({info("abc", true), info("abd", true)});
  auto first = directory().reserve(name("abc"));
  ASSERT_TRUE(first);
  EXPECT_TRUE(directory().reserve(name("abc"))) << "the same one may come again";
  const auto second = directory().reserve(name("abd"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::not_permitted);
  FakeLink link;
  auto session = std::make_unique<ShardSession>(server_->sessions, std::move(*first), "127.0.0.1");
  connect(*session, link);
  EXPECT_FALSE(link.closed);
  EXPECT_FALSE(directory().reserve(name("abd")));
  session->closed(engineio::CloseReason::client_close);
  session.reset();
  EXPECT_TRUE(directory().reserve(name("abd")));
}

TEST_F(Registry, AnEvalForgetsOnlyWhatItAskedOnTheSameConnection) {
  know({info("abc")});
  FakeLink link;
  ShardSession old(server_->sessions, *directory().reserve(name("abc")), "127.0.0.1");
  connect(old, link);
  const auto ref = old.ref();
  EXPECT_EQ(directory().session(ref), &old);
  ShardSession fresh(server_->sessions, *directory().reserve(name("abc")), "127.0.0.1");
  connect(fresh, link);
  EXPECT_TRUE(link.closed) << "the old connection";
  EXPECT_EQ(directory().session(ref), nullptr);
  EXPECT_EQ(directory().session(fresh.ref()), &fresh);
  old.closed(engineio::CloseReason::server_close);
  EXPECT_EQ(directory().session(fresh.ref()), &fresh);
  fresh.closed(engineio::CloseReason::server_close);
}

TEST_F(Registry, WhoWaitsForAConnectionIsToldInATurnOfItsOwn) {
  know({info("abc")});
  FakeLink link;
  ShardSession session(server_->sessions, *directory().reserve(name("abc")), "127.0.0.1");
  connect(session, link);
  bool told = false;
  session.request("evalRequest", {"1"}, [&](const socketio::Arguments* answer) { told = answer == nullptr; });
  session.close();
  EXPECT_FALSE(told);
  context_.poll();
  EXPECT_TRUE(told);
  session.closed(engineio::CloseReason::server_close);
}

TEST_F(Registry, WhoHearsAnAnswerMayCancelTheEval) {
  know({});
  int answers = 0;
  std::shared_ptr<Eval> eval;
  eval = Eval::start(
      server_->evals, Question::eval("1"), {ShardId{0}, ShardId{1}, ShardId{2}}, Millis{60'000},
      [&](const EvalAnswer&) {
        ++answers;
        eval->cancel();
      },
      [] { FAIL() << "it was cancelled"; });
  context_.poll();
  EXPECT_EQ(answers, 1);
}

TEST_F(Registry, AShardsRespawnsAreUnderWayOnceAndFewAltogether) {
  know({info("abc")});
  auto& respawns = server_->respawns;
  ASSERT_TRUE(respawns.roll(name("abc"), {}));
  const auto again = respawns.roll(name("abc"), {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::not_permitted);
  std::size_t begun = 1;
  for (char last = 'd'; last <= 'z'; ++last) {
    begun += respawns.roll(name(std::string("ab") + last), {}) ? 1 : 0;
  }
  EXPECT_EQ(begun, Respawns::kMost);
  context_.restart();
  while (server_->tasks.running() > 0) context_.run_one();
  EXPECT_TRUE(respawns.roll(name("abc"), {})) << "the first is over";
}

TEST_F(Registry, OneStepOfARotationAtATime) {
  Result<void> begun;
  Result<void> second;
  spawn(server_->rotation.begin(), begun);
  spawn(server_->rotation.begin(), second);
  run();
  ASSERT_TRUE(begun) << begun.error().message;
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::not_permitted);

  Result<void> finished;
  Result<void> again;
  Result<void> replaced;
  spawn(server_->rotation.finish(true), finished);
  spawn(server_->rotation.finish(true), again);
  spawn(server_->rotation.replace(keys().private_pem), replaced);
  run();
  EXPECT_TRUE(finished);
  EXPECT_FALSE(again);
  EXPECT_FALSE(replaced);
  EXPECT_EQ(reloads_, 1);
  const auto text = read_file(folder_ / kPrivateKeyFile);
  ASSERT_TRUE(text);
  EXPECT_TRUE(crypto::Signer::load(*text)) << "the key file has " << text->size() << " bytes";
}

TEST_F(Registry, AConfigWhoseMakingThrowsIsTriedAgain) {
  server_->settings.count = ShardCount{1};
  server_->settings.count_auto = false;
  server_->settings.auto_generate = true;
  server_->settings.request_reboot_after = Millis{1'000};  // plans are made anew a twentieth of it apart
  int tries = 0;
  server_->plans.generate = [&]() -> net::Task<> {
    ++tries;
    throw std::runtime_error("no luck");
    co_return;
  };
  know({});
  server_->start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (tries < 2 && std::chrono::steady_clock::now() < until) context_.run_one_for(std::chrono::seconds(1));
  EXPECT_GE(tries, 2);
  const auto finish = [&]() -> net::Task<> { co_await server_->finish(false); };
  tasks_.spawn("finish", finish());
  run();
}

TEST_F(Registry, TheLastFlushMayTakeWhatAnotherHasNotSavedYet) {
  std::vector<fleet::ShardInfo> shards;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) shards.push_back(info(std::string{'a', a, b}));
  }
  const auto count = shards.size();
  know(std::move(shards));
  for (auto& [each, shard] : directory().shards()) server_->attendance.seen(shard);
  // Both count what there is to save before either has saved it.
  const auto finish = [&]() -> net::Task<> { co_await server_->finish(true); };
  for (int i = 0; i < 2; ++i) tasks_.spawn("finish", finish());
  run();
  const auto saved = store_->load_registry();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->size(), count);
  for (const auto& row : *saved) EXPECT_TRUE(row.registered()) << row.id.str();
}

TEST_F(Registry, ATurnIsGivenBackHoweverItsUserEnds) {
  FairSemaphore turns(context_, 1, 10, 10);
  const auto fails = [&]() -> net::Task<> {
    const auto turn = co_await turns.take("a");
    EXPECT_TRUE(turn);
    co_await net::asio::post(context_, net::use_task);
    throw std::runtime_error("no luck");
  };
  bool had_one = false;
  const auto waits = [&]() -> net::Task<> {
    const auto turn = co_await turns.take("b");
    had_one = static_cast<bool>(turn);
  };
  tasks_.spawn("fails", fails());
  tasks_.spawn("waits", waits());
  run();
  EXPECT_TRUE(had_one);
}

}  // namespace
}  // namespace smaster::server
