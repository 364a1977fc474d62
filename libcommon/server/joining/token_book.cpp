#include "server/joining/token_book.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <numeric>
#include <utility>

#include "crypto/keys.hpp"
#include "json/json.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

bj::object to_object(const JoinToken& token) {
  bj::array used;
  for (const auto& use : token.used) {
    used.push_back(bj::object{
        {"shard", use.shard}, {"key", use.key}, {"nonces", bj::array(use.nonces.begin(), use.nonces.end())}});
  }
  return {{"id", token.id},
          {"secret", token.secret},
          {"host", token.host},
          {"processes", token.processes},
          {"shardsPerProcess", token.shards_per_process},
          {"uses", token.uses},
          {"until", to_unix_ms(token.until)},
          {"by", token.by},
          {"used", std::move(used)}};
}

std::optional<JoinToken> to_token(const bj::object& object) {
  JoinToken token;
  std::int64_t processes = 1, shards = 1, uses = 0;
  json::read(object, "id", token.id);
  json::read(object, "secret", token.secret);
  json::read(object, "host", token.host);
  json::read(object, "processes", processes);
  json::read(object, "shardsPerProcess", shards);
  json::read(object, "uses", uses);
  json::read(object, "until", token.until);
  json::read(object, "by", token.by);
  if (token.id.empty() || token.secret.empty() || uses < 1) return std::nullopt;
  token.processes = static_cast<int>(processes);
  token.shards_per_process = static_cast<int>(shards);
  token.uses = static_cast<std::size_t>(uses);
  if (const auto* const used = object.if_contains("used"); used != nullptr && used->is_array()) {
    for (const auto& each : used->get_array()) {
      if (!each.is_object()) continue;
      JoinToken::Use use;
      json::read(each.get_object(), "shard", use.shard);
      json::read(each.get_object(), "key", use.key);
      if (const auto* const nonces = each.get_object().if_contains("nonces"); nonces && nonces->is_array()) {
        for (const auto& nonce : nonces->get_array()) {
          if (nonce.is_string()) use.nonces.emplace_back(nonce.get_string());
        }
      }
      if (ShardName::parse(use.shard)) token.used.push_back(std::move(use));
    }
  }
  return token;
}

}  // namespace

Result<void> TokenBook::add(JoinToken token, Time now) {
  std::erase_if(tokens_, [now](const JoinToken& each) { return now >= each.until + kKept; });
  const auto hosts = [this] {
    return std::accumulate(tokens_.begin(), tokens_.end(), std::size_t{0},
                           [](std::size_t sum, const JoinToken& each) { return sum + each.uses; });
  };
  while (tokens_.size() >= kMostTokens || hosts() + token.uses > kMostHosts) {
    const auto over = std::find_if(tokens_.begin(), tokens_.end(),
                                   [now](const JoinToken& each) { return !each.good(now); });
    if (over == tokens_.end()) {
      return fail(
          ErrorKind::not_permitted,
          "there may be 100 join tokens, for 1,000 hosts in all: revoke some first, see \"smaster join-token "
          "--list\"");
    }
    tokens_.erase(over);
  }
  tokens_.push_back(std::move(token));
  return {};
}

bool TokenBook::remove(std::string_view id) {
  return std::erase_if(tokens_, [id](const JoinToken& each) { return each.id == id; }) > 0;
}

const JoinToken* TokenBook::find(std::string_view id) const {
  const auto found =
      std::find_if(tokens_.begin(), tokens_.end(), [id](const auto& each) { return each.id == id; });
  return found == tokens_.end() ? nullptr : &*found;
}

JoinToken* TokenBook::own(std::string_view id) {
  return const_cast<JoinToken*>(std::as_const(*this).find(id));
}

TokenBook::Judged TokenBook::judge(const wire::Sealed& sealed, const wire::JoinRequest& request,
                                   std::string_view decoy, Time now) const {
  using enum wire::JoinRefusal;
  const auto* const token = find(request.token);
  const auto proof =
      crypto::hmac(token != nullptr ? token->secret : decoy, wire::request_to_prove(sealed.text));
  if (!crypto::same_secret(proof, sealed.proof) || token == nullptr) return {unknown, {}, {}};
  if (!crypto::check_public_key(request.public_key)) return {malformed, {}, {}};
  auto key = crypto::fingerprint(request.public_key);
  if (now >= token->until) return {expired, {}, {}};
  for (const auto& use : token->used) {
    if (use.key != key) continue;
    const bool replayed = std::find(use.nonces.begin(), use.nonces.end(), request.nonce) != use.nonces.end();
    if (replayed || use.nonces.size() >= kMostRequests) return {used_up, {}, {}};
    return {std::nullopt, use.shard, std::move(key)};
  }
  if (token->used.size() >= token->uses) return {used_up, {}, {}};
  return {std::nullopt, {}, std::move(key)};
}

void TokenBook::use(const wire::JoinRequest& request, const std::string& key, const std::string& shard) {
  auto* const token = own(request.token);
  if (token == nullptr) return;
  for (auto& use : token->used) {
    if (use.key == key) return use.nonces.push_back(request.nonce);
  }
  token->used.push_back({shard, key, {request.nonce}});
}

void TokenBook::give_back(std::string_view id, std::string_view shard) {
  if (auto* const token = own(id)) {
    std::erase_if(token->used, [shard](const JoinToken::Use& use) { return use.shard == shard; });
  }
}

std::string TokenBook::text() const {
  bj::array list;
  for (const auto& each : tokens_) list.push_back(to_object(each));
  return json::serialize(list);
}

TokenBook TokenBook::parse(std::string_view text) {
  TokenBook book;
  const auto list = json::parse(text.empty() ? "[]" : text);
  if (!list || !list->is_array()) return book;
  for (const auto& each : list->get_array()) {
    if (auto token = each.is_object() ? to_token(each.get_object()) : std::nullopt) {
      book.tokens_.push_back(std::move(*token));
    }
  }
  return book;
}

}  // namespace smaster::server
