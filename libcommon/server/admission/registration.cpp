#include "server/admission/registration.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/clock.hpp"
#include "server/admission/attendance.hpp"
#include "server/shards/shard_event.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

/// Maximum number of shards added or removed in one turn of the loop.
constexpr std::size_t kAddedAtOnce = 100;
constexpr std::size_t kRemovedAtOnce = 40;

}  // namespace

void Registration::insert(fleet::ShardInfo info) {
  auto* const shard = parts_.directory.insert(std::move(info));
  if (shard == nullptr) return;  // two handshakes of one new process were concurrent
  if (shard->info.holder.known()) shard->margin = kAgentMargin;
  parts_.orders.add(*shard);
}

void Registration::take(Kept kept) {
  for (auto& info : kept.shards) insert(std::move(info));
  if (const auto target = parse_target(kept.target)) parts_.goal.resume(*target);
  parts_.goal.resume_drained(parse_drained(kept.drained));
  revoked_ = fleet::Revoked::parse(kept.revoked);
  if (const auto limits = parse_limits(kept.identify); limits && parts_.settings.names_token()) {
    parts_.sender.resume_budget(*limits);
  }
}

net::Task<> Registration::take_in_turns(Kept kept) {
  std::size_t taken = 0;
  for (auto& info : std::exchange(kept.shards, {})) {
    if (++taken % kAddedAtOnce == 0) co_await asio::post(parts_.context, net::use_task);
    insert(std::move(info));
  }
  take(std::move(kept));
}

net::Task<Result<void>> Registration::add(std::vector<fleet::ShardInfo> infos) {
  const auto names = std::make_shared<std::set<ShardName>>();
  std::size_t added = 0;
  const auto oldest = net::wall_clock() - parts_.settings.timestamp_precision;
  revoked_.drop(oldest);
  for (auto& info : infos) {
    if (++added % kAddedAtOnce == 0) co_await asio::post(parts_.context, net::use_task);
    names->insert(info.id);
    info.used = revoked_.used(info.id, oldest);
  }
  adding_.push_back(names);
  const auto saved = co_await parts_.store.save(infos);
  Result<void> revoked;
  // From the end, so that the rows are freed little by little.
  for (; saved && !infos.empty(); infos.pop_back()) {
    if (++added % kAddedAtOnce == 0) co_await asio::post(parts_.context, net::use_task);
    auto& info = infos.back();
    if (names->contains(info.id)) {
      insert(std::move(info));
    } else {
      revoked = fail(ErrorKind::not_found, "shard " + info.id.process(0).str() + " was revoked meanwhile");
    }
  }
  std::erase(adding_, names);
  parts_.plans.replan();
  co_return saved ? revoked : saved;
}

net::Task<Result<void>> Registration::remove(std::vector<ShardName> names, std::string by) {
  Result<void> removed;
  // What the store does not take is revoked all the same, in memory.
  for (std::size_t at = 0; at < names.size(); at += kRemovedAtOnce) {
    const auto end = std::min(at + kRemovedAtOnce, names.size());
    auto some = co_await remove_some(
        {names.begin() + static_cast<std::ptrdiff_t>(at), names.begin() + static_cast<std::ptrdiff_t>(end)},
        by);
    if (removed) removed = std::move(some);
  }
  auto text = revoked_.text();
  if (removed) removed = co_await parts_.store.save_note(kRevokedNote, std::move(text));
  co_return removed;
}

/// Removes them from memory first: otherwise a row saved meanwhile would bring a shard back.
net::Task<Result<void>> Registration::remove_some(std::vector<ShardName> names, std::string by) {
  for (std::size_t i = 0, all = names.size(); i < all; ++i) {
    const auto processes = parts_.directory.take_processes(names[i]);
    names.insert(names.end(), processes.begin(), processes.end());
  }
  // Further processes that `add` is saving right now are removed as well; the store removes them after it has
  // saved them.
  const std::set<ShardName> revoked(names.begin(), names.end());
  for (const auto& adding : adding_) {
    std::erase_if(*adding, [&](const ShardName& name) {
      const bool goes = revoked.contains(name) || revoked.contains(name.process(0));
      if (goes && !revoked.contains(name)) names.push_back(name);
      return goes;
    });
  }
  for (const auto& name : names) {
    auto* const shard = parts_.directory.find(name);
    if (shard == nullptr) continue;
    auto* const session = shard->session;
    if (shard->connected()) parts_.sender.exit_now(name);
    auto event = about(*shard, fleet::EventKind::revoked, "shard " + name.str() + " is revoked");
    event.by = by;
    parts_.events.record(std::move(event));
    parts_.orders.remove(*shard);
    parts_.heartbeats.leave(name);
    parts_.history.forget(name);
    revoked_.add(name, shard->info.used, net::wall_clock());
    parts_.directory.erase(*shard);
    if (session != nullptr) session->close();
    if (on_revoked) on_revoked(name);
  }
  parts_.plans.replan();
  co_return co_await parts_.store.remove(names);
}

}  // namespace smaster::server
