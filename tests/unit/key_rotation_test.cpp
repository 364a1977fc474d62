// A rotation of the master's keys while shards connect, leave and answer late.
#include "base/file.hpp"
#include "fleet_fixture.hpp"
#include "server/admission/rotation.hpp"

namespace smaster::server {
namespace {

using std::chrono::seconds;

constexpr const char* kAgent = R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})";

class NewKeys : public FleetTest {
 protected:
  /// The keys of the nth rotation.
  static const crypto::KeyPair& next(std::size_t n) {
    static const std::vector<crypto::KeyPair> pairs{*crypto::generate_key_pair(2048),
                                                    *crypto::generate_key_pair(2048)};
    return pairs.at(n);
  }
  /// Begins a rotation, as a server does that has been restarted during one.
  void begin(std::size_t n = 0) {
    const auto file = (folder_ / "shardMaster.next.priv").string();
    ASSERT_TRUE(write_file(file, next(n).private_pem, 0600, IfExists::replace));
    const auto loaded = server_->rotation.load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_TRUE(server_->rotation.active());
  }
  Result<void> finish(bool force) {
    Result<void> finished;
    spawn(server_->rotation.finish(force), finished);
    run();
    return finished;
  }
  /// The public key whose proof the shard gets.
  const std::string& key_of(std::string_view who) {
    return server_->rotation.proof_for(name(who)).public_pem();
  }
};

TEST_F(NewKeys, AnAgentThatTakesTheNewKeyGetsItsProofAndOneThatRefusesTheOldOnes) {
  know({info("abc"), info("abd"), info("abe")});
  begin();
  for (const auto who : {"abc", "abd"}) connect(who, kAgent);
  auto& other = connect("abe");
  EXPECT_FALSE(other.link.has("masterKey")) << "it is no agent";
  peer("abc").says(peer("abc").link.answer_to("masterKey", "null"));
  peer("abd").says(peer("abd").link.answer_to("masterKey", "\"no disk\""));
  EXPECT_EQ(key_of("abc"), next(0).public_pem);
  EXPECT_EQ(key_of("abd"), keys().public_pem);
  EXPECT_EQ(key_of("abe"), keys().public_pem);
  const auto early = finish(false);
  ASSERT_FALSE(early);
  EXPECT_TRUE(early.error().message.starts_with("2 shards trust the old key still"));
  settle();
  EXPECT_EQ(*fake().load_note("rotation"), R"(["abc"])");
}

TEST_F(NewKeys, AnAnswerAboutTheKeyOfAnEarlierRotationSaysNothingAboutThisOne) {
  know({info("abc")});
  begin(0);
  auto& agent = connect("abc", kAgent);
  const auto late = agent.link.answer_to("masterKey", "null");
  ASSERT_FALSE(late.empty());
  ASSERT_TRUE(finish(true));
  begin(1);
  agent.says(late);
  EXPECT_EQ(key_of("abc"), keys().public_pem) << "it does not know the second key";
  EXPECT_FALSE(finish(false));
}

TEST_F(NewKeys, AnAnswerAfterTheRotationIsIgnored) {
  know({info("abc")});
  begin();
  auto& agent = connect("abc", kAgent);
  ASSERT_TRUE(finish(true));
  agent.says(agent.link.answer_to("masterKey", "null"));
  settle();
  EXPECT_EQ(key_of("abc"), keys().public_pem);
}

TEST_F(NewKeys, AShardThatLeavesRightAfterAProofGetsTheOtherOne) {
  know({info("abc")});
  begin();
  leave(connect("abc"));
  EXPECT_EQ(key_of("abc"), next(0).public_pem);
  leave(connect("abc"));
  EXPECT_EQ(key_of("abc"), keys().public_pem);
}

TEST_F(NewKeys, AShardThatStaysWithAProofKeepsIt) {
  know({info("abc")});
  begin();
  leave(connect("abc"));
  auto& again = connect("abc");
  again.says(status_text(-1, -1, 0));
  pass(seconds(10));
  again.says(status_text(-1, -1, 0));
  leave(again);
  EXPECT_EQ(key_of("abc"), next(0).public_pem);
  EXPECT_TRUE(finish(false));
}

TEST_F(NewKeys, AShardThatConnectsWhileTheRotationEndsGetsAProof) {
  know({info("abc")});
  begin();
  server_->rotation.made(name("abc"), next(0).public_pem);
  Result<void> finished;
  spawn(server_->rotation.finish(false), finished);
  connect("abc");
  run();
  EXPECT_TRUE(finished);
  EXPECT_TRUE(peer("abc").link.has("masterVerification"));
  EXPECT_FALSE(server_->rotation.active());
}

TEST_F(NewKeys, TheEndOfARotationThatFailsLeavesItAsItWas) {
  know({info("abc")});
  begin();
  server_->rotation.made(name("abc"), next(0).public_pem);
  server_->reload_keys = []() -> net::Task<Result<void>> { co_return fail(ErrorKind::bad_config, "no"); };
  EXPECT_FALSE(finish(false));
  EXPECT_TRUE(server_->rotation.active());
  EXPECT_EQ(key_of("abc"), next(0).public_pem);
  server_->reload_keys = []() -> net::Task<Result<void>> { co_return Result<void>(); };
  EXPECT_TRUE(finish(false)) << "nothing is in progress any more";
}

TEST_F(NewKeys, WhoTrustsTheNewKeyIsPersistedThoughTheyBecomeMoreDuringTheWrite) {
  know({info("abc"), info("abd")});
  begin();
  fake().hold();
  server_->rotation.made(name("abc"), next(0).public_pem);
  poll();
  server_->rotation.made(name("abd"), next(0).public_pem);
  fake().go_on();
  settle();
  EXPECT_EQ(*fake().load_note("rotation"), R"(["abc","abd"])");
}

TEST_F(NewKeys, AProofThatIsAskedForWhileTheKeyIsReplacedIsMadeWithTheNewOne) {
  std::string signature;
  std::string text;
  const auto waits = server_->proof.get([&](const Proof& proof) {
    signature = proof.signature;
    text = proof.text;
  });
  ASSERT_TRUE(waits);
  server_->proof.set(*crypto::Signer::load(next(0).private_pem));
  ASSERT_TRUE(run_until([&] { return !signature.empty(); }));
  EXPECT_TRUE(crypto::verify(next(0).public_pem, text, signature));
}

TEST_F(NewKeys, AProofIsSharedForASecondAndNotMadeForThoseWhoHaveLeft) {
  int proofs = 0;
  const auto count = [&](const Proof&) { ++proofs; };
  auto gone = server_->proof.get(count);
  const auto waits = server_->proof.get(count);
  gone.reset();
  ASSERT_TRUE(run_until([&] { return proofs > 0; }));
  EXPECT_EQ(proofs, 1);
  EXPECT_EQ(server_->proof.get(count), nullptr) << "there is one";
  EXPECT_EQ(proofs, 2);
  net::Clock::advance(seconds(1));
  const auto fresh = server_->proof.get(count);
  EXPECT_NE(fresh, nullptr);
  ASSERT_TRUE(run_until([&] { return proofs == 3; }));
}

}  // namespace
}  // namespace smaster::server
