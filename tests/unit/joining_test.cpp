// How new hosts join: the line, the messages, the tokens, and what is saved when.
#include "server/joining/joining.hpp"

#include "agent/joining/unit.hpp"
#include "crypto/keys.hpp"
#include "fake_store.hpp"
#include "json/json.hpp"
#include "server_fixture.hpp"
#include "wire/join/join_line.hpp"
#include "wire/join/join_messages.hpp"

namespace smaster::server {
namespace {

using wire::JoinRefusal;

const Time kJoinNow = from_unix_ms(1'800'000'000'000);
constexpr const char* kJoinSecret = "0123456789abcdefghijklmnopqrstuv";

JoinToken join_token(const std::string& id, std::size_t uses = 1, Millis valid = Millis{1'000}) {
  JoinToken token;
  token.id = id;
  token.secret = kJoinSecret;
  token.uses = uses;
  token.until = kJoinNow + valid;
  return token;
}

const crypto::KeyPair& other_keys() {
  static const auto pair = *crypto::generate_key_pair(2048);
  return pair;
}

wire::JoinRequest join_request(const std::string& token, const std::string& nonce,
                               const std::string& public_key) {
  return {token, nonce, crypto::fingerprint(ServerTest::keys().public_pem), public_key};
}

wire::Sealed sealed_with(const std::string& secret, const wire::JoinRequest& request) {
  wire::Sealed sealed{wire::to_text(request), {}, {}};
  sealed.proof = crypto::hmac(secret, wire::request_to_prove(sealed.text));
  return sealed;
}

TEST(JoinLine, IsReadAsItWasWritten) {
  const wire::JoinLine line{
      {"http://10.0.0.1:8024", "https://[::1]:443"}, std::string(43, 'f'), "tokentoken12", kJoinSecret};
  const auto text = wire::to_text(line);
  EXPECT_EQ(text, "smaster-1,http://10.0.0.1:8024,https://[::1]:443," + line.fingerprint + ",tokentoken12," +
                      kJoinSecret);
  const auto read = wire::parse_join_line(' ' + text + '\n');
  ASSERT_TRUE(read);
  EXPECT_EQ(read->servers, line.servers);
  EXPECT_EQ(read->fingerprint, line.fingerprint);
  EXPECT_EQ(read->token, line.token);
  EXPECT_EQ(read->secret, line.secret);
}

TEST(JoinLine, NoPartOfALineIsOne) {
  const auto text = wire::to_text(
      wire::JoinLine{{"http://10.0.0.1:8024"}, std::string(43, 'f'), "tokentoken12", kJoinSecret});
  for (std::size_t length = 0; length < text.size() - 10; ++length) {
    EXPECT_FALSE(wire::parse_join_line(text.substr(0, length))) << length;
  }
  for (const std::string wrong : {"ftp://x:1", "http://x y:1", "x"}) {
    EXPECT_FALSE(wire::parse_join_line("smaster-1," + wrong + ',' + std::string(43, 'f') + ",tokentoken12," +
                                       kJoinSecret));
  }
  EXPECT_FALSE(wire::parse_join_line(std::string(5'000, 'x')));
}

TEST(JoinMessages, AreReadAsTheyWereWrittenAndNothingElse) {
  const auto request = join_request("tokentoken12", "nonce", ServerTest::keys().public_pem);
  const auto read = wire::parse_join_request(wire::to_text(request));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->public_key, request.public_key);
  wire::JoinAnswer answer{*ShardName::parse("abc"), "{}", "fra1", 2, 8, kJoinNow};
  const auto answered = wire::parse_join_answer(wire::to_text(answer));
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->host, "fra1");
  EXPECT_EQ(answered->shards_per_process, 8);
  EXPECT_EQ(answered->time, kJoinNow);
  answer.processes = 100'000;
  EXPECT_FALSE(wire::parse_join_answer(wire::to_text(answer)));
  for (const auto* const wrong :
       {"", "1", "[]", "{}", R"({"text":1,"proof":"x"})", R"({"name":"../x","config":"{}"})"}) {
    EXPECT_FALSE(wire::parse_sealed(wrong)) << wrong;
    EXPECT_FALSE(wire::parse_join_request(wrong)) << wrong;
    EXPECT_FALSE(wire::parse_join_answer(wrong)) << wrong;
    EXPECT_FALSE(wire::parse_refusal(wrong)) << wrong;
  }
  EXPECT_EQ(wire::parse_refusal(wire::refusal_text(JoinRefusal::follows, "http://b"))->leader, "http://b");
}

TEST(Crypto, HmacIsThatOfRfc4231) {
  // Test case 2.
  EXPECT_EQ(crypto::hmac("Jefe", "what do ya want for nothing?"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
}

TEST(TokenBook, ATokenIsGoodForItsUsesAndItsTime) {
  TokenBook book;
  ASSERT_TRUE(book.add(join_token("a"), kJoinNow));
  const auto judge = [&](const wire::JoinRequest& request, Time now,
                         const std::string& secret = kJoinSecret) {
    return book.judge(sealed_with(secret, request), request, "decoy", now);
  };
  const auto& mine = ServerTest::keys().public_pem;
  const auto first = join_request("a", "1", mine);
  const auto judged = judge(first, kJoinNow);
  EXPECT_EQ(judged.refused, std::nullopt);
  EXPECT_EQ(judge(first, kJoinNow, "another secret").refused, JoinRefusal::unknown);
  EXPECT_EQ(judge(join_request("b", "1", mine), kJoinNow).refused, JoinRefusal::unknown);
  EXPECT_EQ(judge(join_request("b", "1", mine), kJoinNow, "decoy").refused, JoinRefusal::unknown);
  EXPECT_EQ(judge(join_request("a", "1", "no key"), kJoinNow).refused, JoinRefusal::malformed);
  EXPECT_EQ(judge(first, kJoinNow + Millis{1'000}).refused, JoinRefusal::expired);
  book.use(first, judged.key, "abc");
  EXPECT_EQ(judge(join_request("a", "2", other_keys().public_pem), kJoinNow).refused, JoinRefusal::used_up);
  EXPECT_EQ(judge(first, kJoinNow).refused, JoinRefusal::used_up) << "a request is good once";
  const auto again = judge(join_request("a", "2", mine), kJoinNow);
  EXPECT_EQ(again.refused, std::nullopt);
  EXPECT_EQ(again.shard, "abc");
  book.give_back("a", "abc");
  EXPECT_EQ(judge(join_request("a", "2", other_keys().public_pem), kJoinNow).refused, std::nullopt);
}

TEST(TokenBook, IsReadAsItWasWrittenAndBounded) {
  TokenBook book;
  for (std::size_t i = 0; i < TokenBook::kMostTokens; ++i) {
    ASSERT_TRUE(book.add(join_token(std::to_string(i), 2), kJoinNow));
  }
  EXPECT_FALSE(book.add(join_token("x"), kJoinNow)) << "as many as there may be";
  ASSERT_TRUE(book.remove("99"));
  EXPECT_FALSE(book.add(join_token("x", TokenBook::kMostHosts), kJoinNow)) << "for too many hosts";
  ASSERT_TRUE(book.add(join_token("x"), kJoinNow));
  book.use(join_request("5", "n", other_keys().public_pem), "key", "abc");
  const auto read = TokenBook::parse(book.text());
  EXPECT_EQ(read.text(), book.text());
  ASSERT_NE(read.find("5"), nullptr);
  EXPECT_EQ(read.find("5")->used.front().shard, "abc");
  // Those that cannot be used give way, the oldest first; after a day all have gone.
  const auto later = kJoinNow + Millis{1'000};
  for (std::size_t i = 0; i < TokenBook::kMostTokens; ++i) {
    ASSERT_TRUE(book.add(join_token("new" + std::to_string(i), 1, Millis{10'000}), later));
  }
  EXPECT_EQ(book.tokens().size(), TokenBook::kMostTokens);
  EXPECT_EQ(book.find("5"), nullptr);
  ASSERT_TRUE(book.add(join_token("late", 1, std::chrono::hours(50)), later + std::chrono::hours(25)));
  EXPECT_EQ(book.tokens().size(), 1u);
  EXPECT_TRUE(TokenBook::parse("nonsense").tokens().empty());
  EXPECT_TRUE(TokenBook::parse(R"([1,{},{"id":"a"}])").tokens().empty());
}

TEST(AgentUnit, WordsReachTheAgentAsTheyAre) {
  agent::UnitCommand unit{
      {"/bin/agent", "--host", "a b"}, {"node", "100%", "$HOME \"x\\"}, "/etc/smaster/shards/s.json", "/srv"};
  const auto text = agent::drop_in(unit);
  ASSERT_TRUE(text);
  EXPECT_NE(
      text->find("ExecStart=\nExecStart=\"/bin/agent\" \"--host\" \"a b\" --config "
                 "\"/etc/smaster/shards/s.json\" $AGENT_FLAGS -- \"node\" \"100%%\" \"$$HOME \\\"x\\\\\"\n"),
      std::string::npos)
      << *text;
  unit.command.emplace_back("a\nExecStartPre=b");
  EXPECT_FALSE(agent::drop_in(unit));
}

class JoiningTest : public ServerTest {
 protected:
  JoiningTest() : ServerTest(std::make_unique<FakeStore>()) {}
  FakeStore& fake() { return dynamic_cast<FakeStore&>(*store_); }
  Joining& joining() { return server_->joining; }
  Joining::Made make(std::size_t uses = 1) {
    Joining::Wanted wanted{"fra1", 2, 4, uses, Millis{60'000}, "root"};
    std::optional<Result<Joining::Made>> made;
    spawn(joining().make(std::move(wanted)), made);
    run();
    return made->value();
  }
  std::string sent(const Joining::Made& made, const std::string& nonce, const std::string& public_key) {
    return wire::to_text(sealed_with(made.token.secret, join_request(made.token.id, nonce, public_key)));
  }
  Joining::Outcome ask(const std::string& body, const std::string& address = "10.0.0.1") {
    std::optional<Joining::Outcome> outcome;
    spawn(joining().join(body, address), outcome);
    run();
    return outcome.value();
  }
};

TEST_F(JoiningTest, TwoHostsAtOnceWithATokenOfOneUseAreOneShard) {
  const auto made = make();
  const auto one = sent(made, "1", keys().public_pem);
  const auto two = sent(made, "2", other_keys().public_pem);
  std::optional<Joining::Outcome> first, second;
  spawn(joining().join(one, "10.0.0.1"), first);
  spawn(joining().join(two, "10.0.0.2"), second);
  run();
  EXPECT_EQ(first->refused, std::nullopt);
  EXPECT_EQ(second->refused, JoinRefusal::used_up);
  EXPECT_EQ(directory().shards().size(), 1u);
}

TEST_F(JoiningTest, TheAnswerIsSignedForTheRequest) {
  const auto made = make();
  const auto outcome = ask(sent(made, "the nonce", other_keys().public_pem));
  const auto sealed = wire::parse_sealed(outcome.text);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->key, keys().public_pem);
  EXPECT_TRUE(crypto::verify(sealed->key, wire::answer_to_prove("the nonce", sealed->text), sealed->proof));
  EXPECT_FALSE(crypto::verify(sealed->key, wire::answer_to_prove("another", sealed->text), sealed->proof));
  const auto answer = wire::parse_join_answer(sealed->text);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->processes, 2);
  EXPECT_EQ(directory().find(answer->name)->info.key, other_keys().public_pem);
  EXPECT_EQ(answer->config.find("privKey"), std::string::npos);
}

TEST_F(JoiningTest, WrongRequestsCountAgainstTheirAddress) {
  const auto made = make();
  for (std::size_t i = 0; i < server_->settings.conn_count; ++i) {
    EXPECT_EQ(ask("nonsense").refused, JoinRefusal::malformed);
  }
  const auto good = sent(made, "1", keys().public_pem);
  EXPECT_EQ(ask(good).refused, JoinRefusal::too_many);
  EXPECT_EQ(ask(good, "10.0.0.2").refused, std::nullopt);
}

TEST_F(JoiningTest, ATokenIsUsedBeforeTheShardExistsAndGivenBackIfItCannot) {
  using Does = FakeStore::Does;
  const auto made = make();
  fake().next({Does::fails});
  EXPECT_EQ(ask(sent(made, "1", keys().public_pem)).refused, JoinRefusal::failed);
  fake().next({Does::works, Does::fails});
  EXPECT_EQ(ask(sent(made, "2", keys().public_pem)).refused, JoinRefusal::failed);
  EXPECT_TRUE(directory().shards().empty());
  const auto before = fake().writes().size();
  EXPECT_EQ(ask(sent(made, "3", keys().public_pem)).refused, std::nullopt);
  const auto writes = fake().writes();
  EXPECT_EQ(writes.at(before), "note join-tokens");
  EXPECT_TRUE(writes.at(before + 1).starts_with("save ")) << writes.at(before + 1);
}

TEST_F(JoiningTest, AServerThatDoesNotLeadTakesNobody) {
  const auto made = make();
  server_->leadership.lose();
  EXPECT_EQ(ask(sent(made, "1", keys().public_pem)).refused, JoinRefusal::follows);
  EXPECT_TRUE(directory().shards().empty());
}

}  // namespace
}  // namespace smaster::server
