#include "server/joining/joining.hpp"

#include <utility>

#include "base/text.hpp"
#include "crypto/keys.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

using wire::JoinRefusal;

constexpr const char* kTokensNote = "join-tokens";
constexpr std::size_t kIdBytes = 9;
constexpr std::size_t kSecretBytes = 24;
/// Requests that wait for their turn, in all and of one address.
constexpr std::size_t kMostWaiting = 256;
constexpr std::size_t kMostWaitingEach = 16;
/// Refusals that become events; further ones are only logged.
constexpr std::size_t kMostTold = 30;
constexpr Millis kToldWithin{600'000};

/// "host fra1, " or nothing.
std::string host_words(const JoinToken& token) {
  return token.host.empty() ? "" : "host " + token.host + ", ";
}

}  // namespace

Joining::Joining(const Parts& parts)
    : parts_(parts),
      turns_(parts.context, 1, kMostWaiting, kMostWaitingEach),
      decoy_(crypto::random_token(kSecretBytes)) {}

/// Those of an earlier run; call within a turn.
net::Task<Result<void>> Joining::load() {
  if (loaded_) co_return Result<void>();
  const auto text = co_await parts_.store.load_note_in_store(kTokensNote);
  if (!text) co_return text.error();
  book_ = TokenBook::parse(*text);
  loaded_ = true;
  co_return Result<void>();
}

/// A change is in force once it is saved.
net::Task<Result<void>> Joining::save(TokenBook book) {
  auto text = book.text();
  auto saved = co_await parts_.store.save_note(kTokensNote, std::move(text));
  if (saved) book_ = std::move(book);
  co_return saved;
}

net::Task<Result<Joining::Made>> Joining::make(Wanted wanted) {
  const auto turn = co_await turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many join tokens are being made or used; try again");
  if (auto loaded = co_await load(); !loaded) co_return loaded.error();
  Made made;
  auto& token = made.token;
  do token.id = crypto::random_token(kIdBytes);
  while (token.id.starts_with('-'));  // it would look like a flag
  token.secret = crypto::random_token(kSecretBytes);
  token.host = std::move(wanted.host);
  token.processes = wanted.processes;
  token.shards_per_process = wanted.shards_per_process;
  token.uses = wanted.uses;
  token.until = net::wall_clock() + wanted.valid;
  token.by = std::move(wanted.by);
  made.urls = parts_.registrar.urls();
  if (made.urls.size() > wire::kMostJoinServers) {
    co_return fail(ErrorKind::not_permitted, "[cluster] masters names more than " +
                                                 std::to_string(wire::kMostJoinServers) +
                                                 " servers, which a line cannot");
  }
  auto book = book_;
  if (auto added = book.add(token, net::wall_clock()); !added) co_return added.error();
  if (auto saved = co_await save(std::move(book)); !saved) co_return saved.error();
  made.line = wire::to_text(
      wire::JoinLine{made.urls, crypto::fingerprint(parts_.proof.public_pem()), token.id, token.secret});
  co_return made;
}

net::Task<Result<void>> Joining::revoke(std::string id) {
  const auto turn = co_await turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many join tokens are being made or used; try again");
  if (auto loaded = co_await load(); !loaded) co_return loaded;
  auto book = book_;
  if (!book.remove(id)) co_return fail(ErrorKind::not_found, "no join token has the id \"" + id + '"');
  co_return co_await save(std::move(book));
}

net::Task<Result<std::vector<JoinToken>>> Joining::list() {
  const auto turn = co_await turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many join tokens are being made or used; try again");
  if (auto loaded = co_await load(); !loaded) co_return loaded.error();
  co_return book_.tokens();
}

bool Joining::limited(const std::string& address) {
  return attempts_.exhausted(address, parts_.settings.conn_count, parts_.settings.conn_time, net::now());
}

/// The store was not read or written: this server may have lost the lead.
Joining::Outcome Joining::failed() const {
  return {parts_.leadership.held() ? JoinRefusal::failed : JoinRefusal::follows, {}};
}

/// A wrong request counts against its address.
Joining::Outcome Joining::refuse(JoinRefusal why, const std::string& address, const std::string& words) {
  const auto now = net::now();
  attempts_.count(address, now);
  const auto text = "a host may not join: " + words;
  if (told_.exhausted("", kMostTold, kToldWithin, now)) {
    log::shard(spdlog::level::warn, {"join_refused", {}, {}, address}, text + " (address " + address + ")");
  } else {
    told_.count("", now);
    parts_.events.record({.kind = fleet::EventKind::join_refused, .text = text, .by = address}, address);
  }
  return {why, {}};
}

net::Task<Joining::Outcome> Joining::join(std::string body, std::string address) {
  if (!parts_.leadership.held()) co_return Outcome{JoinRefusal::follows, {}};
  if (limited(address)) co_return Outcome{JoinRefusal::too_many, {}};
  auto sealed = wire::parse_sealed(body);
  if (!sealed) co_return refuse(JoinRefusal::malformed, address, sealed.error().message);
  auto request = wire::parse_join_request(sealed->text);
  if (!request) co_return refuse(JoinRefusal::malformed, address, request.error().message);
  const auto turn = co_await turns_.take(address);
  if (!turn) co_return Outcome{JoinRefusal::busy, {}};
  if (auto loaded = co_await load(); !loaded) co_return failed();
  // Requests before this one in the queue may have used up the limit.
  if (limited(address)) co_return Outcome{JoinRefusal::too_many, {}};
  co_return co_await join_in_turn(std::move(*sealed), std::move(*request), std::move(address));
}

net::Task<Joining::Outcome> Joining::join_in_turn(wire::Sealed sealed, wire::JoinRequest request,
                                                  std::string address) {
  const auto judged = book_.judge(sealed, request, decoy_, net::wall_clock());
  const auto words = [&]() -> std::string {
    switch (*judged.refused) {
      case JoinRefusal::expired:
        return "join token " + request.token + " has expired";
      case JoinRefusal::used_up:
        return "join token " + request.token + " is used up, or this request came twice";
      case JoinRefusal::malformed:
        return "its public key is none";
      default:
        return "no such join token, or a wrong proof";
    }
  };
  if (judged.refused) co_return refuse(*judged.refused, address, words());
  // The answer is signed by the key that is compared here, whatever happens meanwhile.
  const auto key_turn = co_await parts_.registrar.key_turn();
  if (!key_turn) co_return Outcome{JoinRefusal::busy, {}};
  const auto signer = parts_.proof.signer();
  if (request.fingerprint != crypto::fingerprint(signer->public_pem())) {
    co_return refuse(JoinRefusal::other_key, address,
                     "its line has the fingerprint of another key than this server's");
  }
  // Recorded before anything else: a token is not used once more because the server was killed here.
  std::optional<Registrar::NewName> reserved;
  if (judged.shard.empty()) reserved.emplace(parts_.registrar.reserve_name(Deliver::text));
  const auto name = reserved ? reserved->get() : *ShardName::parse(judged.shard);
  auto book = book_;
  book.use(request, judged.key, name.str());
  if (auto saved = co_await save(std::move(book)); !saved) co_return failed();
  const auto token = *book_.find(request.token);
  const auto master_key = parts_.rotation.public_pem();
  if (reserved) {
    const auto added = co_await parts_.registrar.add(name, false, request.public_key, master_key);
    if (!added) {
      // In memory whatever the store says: it may be what is broken.
      book_.give_back(request.token, name.str());
      auto before = book_;
      (void)co_await save(std::move(before));
      co_return failed();
    }
    parts_.events.record({.kind = fleet::EventKind::registered,
                          .text = "a host joined: " + host_words(token) + "shard " + name.str() +
                                  ", address " + address + ", join token " + token.id,
                          .shard = name.str(),
                          .host = token.host,
                          .by = token.by});
  } else {
    // It may be revoked by now, or the server was killed before it was registered: then for good.
    const auto* const known = parts_.directory.find(name);
    if (known == nullptr || known->info.key != request.public_key) {
      co_return refuse(JoinRefusal::used_up, address,
                       "shard " + name.str() + " of join token " + token.id + " is not registered any more");
    }
  }
  wire::JoinAnswer answer{name,
                          parts_.registrar.config_without_key(name, request.public_key, master_key),
                          token.host,
                          token.processes,
                          token.shards_per_process,
                          net::wall_clock()};
  wire::Sealed answered{wire::to_text(answer), {}, signer->public_pem()};
  answered.proof = co_await net::run_in(
      parts_.signatures, [&] { return signer->sign(wire::answer_to_prove(request.nonce, answered.text)); });
  co_return Outcome{std::nullopt, wire::to_text(answered)};
}

}  // namespace smaster::server
