#include "wire/join/join_messages.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <utility>

#include "json/json.hpp"

namespace smaster::wire {
namespace {

namespace bj = boost::json;

constexpr std::array<std::pair<JoinRefusal, std::string_view>, 9> kRefusals{{
    {JoinRefusal::malformed, "malformed"},
    {JoinRefusal::unknown, "unknown-token"},
    {JoinRefusal::expired, "expired"},
    {JoinRefusal::used_up, "used-up"},
    {JoinRefusal::other_key, "other-key"},
    {JoinRefusal::too_many, "too-many"},
    {JoinRefusal::follows, "follows"},
    {JoinRefusal::busy, "busy"},
    {JoinRefusal::failed, "failed"},
}};

Result<bj::object> read_object(std::string_view text, const char* what) {
  auto value = json::parse(text);
  if (!value || !value->is_object())
    return fail(ErrorKind::bad_data, std::string(what) + " is no JSON object");
  return std::move(value->get_object());
}

}  // namespace

std::string to_text(const Sealed& sealed) {
  bj::object object{{"text", sealed.text}, {"proof", sealed.proof}};
  if (!sealed.key.empty()) object["key"] = sealed.key;
  return json::serialize(object);
}

Result<Sealed> parse_sealed(std::string_view text) {
  const auto object = read_object(text, "the message");
  if (!object) return object.error();
  Sealed sealed;
  json::read(*object, "text", sealed.text);
  json::read(*object, "proof", sealed.proof);
  json::read(*object, "key", sealed.key);
  if (sealed.text.empty() || sealed.proof.empty()) {
    return fail(ErrorKind::bad_data, "the message has no text or no proof");
  }
  return sealed;
}

std::string to_text(const JoinRequest& request) {
  return json::serialize(bj::object{{"token", request.token},
                                    {"nonce", request.nonce},
                                    {"fingerprint", request.fingerprint},
                                    {"publicKey", request.public_key}});
}

Result<JoinRequest> parse_join_request(std::string_view text) {
  const auto object = read_object(text, "the request");
  if (!object) return object.error();
  JoinRequest request;
  json::read(*object, "token", request.token);
  json::read(*object, "nonce", request.nonce);
  json::read(*object, "fingerprint", request.fingerprint);
  json::read(*object, "publicKey", request.public_key);
  if (request.token.empty() || request.nonce.empty() || request.nonce.size() > kMostNonce ||
      request.public_key.empty() || request.public_key.size() > kMostPublicKey) {
    return fail(ErrorKind::bad_data, "the request has no token, nonce or public key, or too long ones");
  }
  return request;
}

std::string to_text(const JoinAnswer& answer) {
  return json::serialize(bj::object{{"name", answer.name.str()},
                                    {"config", answer.config},
                                    {"host", answer.host},
                                    {"processes", answer.processes},
                                    {"shardsPerProcess", answer.shards_per_process},
                                    {"time", to_unix_ms(answer.time)}});
}

Result<JoinAnswer> parse_join_answer(std::string_view text) {
  const auto object = read_object(text, "the answer");
  if (!object) return object.error();
  std::string name;
  json::read(*object, "name", name);
  const auto parsed = ShardName::parse(name);
  if (!parsed) return fail(ErrorKind::bad_data, "the answer has no shard's name");
  JoinAnswer answer{*parsed, {}, {}};
  json::read(*object, "config", answer.config);
  json::read(*object, "host", answer.host);
  std::int64_t processes = 1;
  std::int64_t shards = 1;
  json::read(*object, "processes", processes);
  json::read(*object, "shardsPerProcess", shards);
  json::read(*object, "time", answer.time);
  if (answer.config.empty() || processes < 1 || processes > kMostProcesses || shards < 1 ||
      shards > kMostShardsPerProcess) {
    return fail(ErrorKind::bad_data, "the answer has no config, or numbers out of range");
  }
  answer.processes = static_cast<int>(processes);
  answer.shards_per_process = static_cast<int>(shards);
  return answer;
}

std::string request_to_prove(std::string_view text) { return "smaster join request 1\n" + std::string(text); }

std::string answer_to_prove(std::string_view nonce, std::string_view text) {
  return "smaster join answer 1\n" + std::string(nonce) + '\n' + std::string(text);
}

std::string_view to_word(JoinRefusal refusal) {
  for (const auto& [each, word] : kRefusals) {
    if (each == refusal) return word;
  }
  return {};
}

std::string refusal_text(JoinRefusal refusal, std::string_view leader) {
  bj::object object{{"code", to_word(refusal)}};
  if (!leader.empty()) object["leader"] = leader;
  return json::serialize(object);
}

Result<Refused> parse_refusal(std::string_view text) {
  const auto object = read_object(text, "the answer");
  if (!object) return object.error();
  std::string word;
  Refused refused;
  json::read(*object, "code", word);
  json::read(*object, "leader", refused.leader);
  for (const auto& [each, name] : kRefusals) {
    if (name != word) continue;
    refused.why = each;
    return refused;
  }
  return fail(ErrorKind::bad_data, "the answer has no known code");
}

}  // namespace smaster::wire
