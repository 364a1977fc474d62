#include "server/admission/admission.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/text.hpp"
#include "crypto/authorization.hpp"
#include "crypto/fast_verify.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {

namespace {

/// Concurrent signature checks: one per thread of the pool.
constexpr std::size_t kThreads = 2;
/// Maximum number of handshakes queued for the signature check, at 3 kB each.
constexpr std::size_t kMostHandshakes = 20'000;

/// The process number in the URL's query ("process=2"), sent by agents that run several processes of one
/// shard; 0 if missing or out of range.
int process_number(std::string_view query) {
  constexpr std::string_view kKey = "process=";
  for (const auto part : split(query, '&')) {
    if (part.starts_with(kKey)) {
      const auto number = parse_int<int>(part.substr(kKey.size())).value_or(0);
      return number >= 0 && number <= ShardName::kMaxProcess ? number : 0;
    }
  }
  return 0;
}

}  // namespace

Admission::Admission(const Parts& parts)
    : parts_(parts), turns_(parts.context, kThreads, kMostHandshakes, kMostHandshakes) {
  settings_changed();
}

void Admission::settings_changed() { proxies_ = net::Proxies(parts_.settings.trusted_proxies); }

net::Refusal Admission::refuse(const std::string& address, std::string_view outcome, std::string_view why) {
  ++parts_.metrics.handshakes[outcome];
  attempts_.count(address, net::now());
  parts_.refusals.note(outcome, std::string(why) + " (address " + address + ")", net::fleet_clock());
  log::shard(spdlog::level::warn, {"handshake_refused", {}, {}, address},
             "handshake refused: " + std::string(why) + " (address " + address + ")");
  return {};
}

/// The key to check a signature with. Unknown names are checked against some other shard's key, so that both
/// cases take the same time.
std::string Admission::key_for(const ShardName& name) const {
  const auto& shards = parts_.directory.shards();
  auto at = shards.lower_bound(name);
  if (at == shards.end() && !shards.empty()) at = shards.begin();
  return at == shards.end() ? parts_.proof.public_pem() : at->second.info.key;
}

net::Task<net::Admission> Admission::decide(net::HandshakeRequest request) {
  const auto& settings = parts_.settings;
  const auto address = proxies_.limit_key(request.peer, request.forwarded_for);
  const auto instant = net::now();
  const auto note_too_many = [&] {
    ++parts_.metrics.handshakes["too_many"];
    parts_.refusals.note("too_many", "too many attempts (address " + address + ")", net::fleet_clock());
  };
  const auto exhausted = [&](const std::string& key) {
    return attempts_.exhausted(key, settings.conn_count, settings.conn_time, instant);
  };
  if (!parts_.leadership.held()) {
    ++parts_.metrics.handshakes["standby"];
    co_return net::Refusal{503, "This master stands by; another one leads", std::chrono::seconds(1)};
  }
  const net::Refusal too_many{429, "Too many attempts",
                              std::chrono::ceil<std::chrono::seconds>(settings.conn_time)};
  if (exhausted(address)) {
    spdlog::debug("handshake refused: too many attempts (address {})", address);
    note_too_many();
    co_return too_many;
  }

  if (!request.authorization) co_return refuse(address, "no_header", "no authorization header");
  const auto header = crypto::parse_authorization(*request.authorization);
  if (!header)
    co_return refuse(address, "malformed", "malformed authorization header: " + header.error().message);
  const auto name = header->name.process(process_number(request.query));
  const auto seat = address + ' ' + name.str();
  if (exhausted(seat)) {
    log::shard(spdlog::level::warn, {"handshake_refused", name.str(), {}, address},
               "handshake refused: shard " + name.str() + " connects too often (address " + address + ")");
    note_too_many();
    co_return too_many;
  }

  const auto now = net::wall_clock();
  const auto off = header->time - now;
  if (std::chrono::abs(off) > settings.timestamp_precision) {
    co_return refuse(address, "clock",
                     "shard " + header->name.str() + "'s clock is " +
                         format_duration(std::chrono::round<std::chrono::seconds>(std::chrono::abs(off))) +
                         (off > Millis{0} ? " ahead" : " behind") + ", allowed are " +
                         format_duration(settings.timestamp_precision));
  }

  auto turn = co_await turns_.take(address);
  if (!turn) {
    ++parts_.metrics.handshakes["busy"];
    co_return net::Refusal{503, "Too busy", std::chrono::seconds(1)};
  }
  // Handshakes ahead in the queue may have used up the address's limit.
  if (exhausted(address)) {
    note_too_many();
    co_return too_many;
  }
  // An unknown name gets the same check (see key_for) and the same answer.
  const auto key = key_for(header->name);
  const bool verified = co_await net::run_in(
      parts_.signatures, [&] { return crypto::fast_verify(key, header->signed_text, header->signature); });
  turn.give_back();

  // The shard may have been revoked, or registered anew, during the check.
  auto* known = parts_.directory.find(header->name);
  if (!verified || known == nullptr || known->info.key != key) {
    co_return refuse(address, "refused", "unknown name or bad signature (\"" + header->name.str() + "\")");
  }
  if (!known->info.used.insert(header->time, net::wall_clock() - settings.timestamp_precision)) {
    co_return refuse(address, "replayed", "a header of " + header->name.str() + " came twice");
  }
  // Persist the used header first: it must also be refused after a restart and by the next leader. If the
  // store fails, the handshake goes on, and only this process remembers the header.
  const auto saved = co_await parts_.rows.save_row(header->name);
  if (!saved && saved.error().kind == ErrorKind::not_permitted)
    co_return net::Refusal{503, "This master stands by now", std::chrono::seconds(1)};
  known = parts_.directory.find(header->name);
  if (known == nullptr || known->info.key != key) {
    co_return refuse(address, "refused", "revoked meanwhile (\"" + header->name.str() + "\")");
  }
  const auto registration = known->registration;
  if (!parts_.leadership.held())
    co_return net::Refusal{503, "This master stands by now", std::chrono::seconds(1)};
  attempts_.count(seat, instant);
  if (parts_.directory.find(name) == nullptr) {
    fleet::ShardInfo info(name);
    info.key = key;
    info.created_time = now;
    std::vector<fleet::ShardInfo> infos(1, std::move(info));
    const auto added = co_await parts_.registration.add(std::move(infos));
    if (!added && added.error().kind != ErrorKind::not_found) {
      spdlog::error("handshake refused: process {} cannot be registered: {}", name.str(),
                    added.error().message);
      ++parts_.metrics.handshakes["failed"];
      co_return net::Refusal{503, "Try again later", std::chrono::seconds(5)};
    }
  }
  // While the process was registered, the shard may have been revoked and its name given to a new one.
  const auto* const still = parts_.directory.find(header->name);
  if (still == nullptr || still->registration != registration) {
    co_return refuse(address, "revoked", "shard " + header->name.str() + " was revoked meanwhile");
  }
  auto reservation = parts_.directory.reserve(name);
  if (!reservation && reservation.error().kind == ErrorKind::not_permitted) {
    co_return refuse(address, "second_master",
                     "master shard " + name.str() + ": " + reservation.error().message);
  }
  if (!reservation) co_return refuse(address, "revoked", reservation.error().message);
  ++parts_.metrics.handshakes["accepted"];
  parts_.metrics.handshake_time.add(net::now() - instant);
  co_return std::make_unique<ShardSession>(parts_.sessions, std::move(*reservation), address);
}

}  // namespace smaster::server
