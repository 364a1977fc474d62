#include "server/admission/rotation.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <utility>

#include "base/file.hpp"
#include "json/json.hpp"
#include "server/keys/key_files.hpp"
#include "server/shards/shard_session.hpp"
#include "wire/shard/master_key.hpp"

namespace smaster::server {
namespace {

constexpr const char* kNextKeyFile = "shardMaster.next.priv";
constexpr const char* kNote = "rotation";

}  // namespace

std::string Rotation::path() const { return (parts_.settings.state_dir / kNextKeyFile).string(); }

Result<void> Rotation::load() {
  const auto text = read_file(path());
  if (!text) return text.error().kind == ErrorKind::not_found ? Result<void>() : text.error();
  auto signer = crypto::Signer::load(*text);
  if (!signer) return fail(signer.error().kind, path() + ": " + signer.error().message);
  if (signer->public_pem() == parts_.proof.public_pem()) {  // stopped during `finish`
    ::unlink(path().c_str());
    return {};
  }
  const auto note = parts_.store.load_note(kNote);
  if (!note) return note.error();
  if (const auto names = json::parse(note->empty() ? "[]" : *note); names && names->is_array()) {
    for (const auto& element : names->get_array()) {
      const auto name =
          element.is_string() ? ShardName::parse(std::string_view(element.get_string())) : std::nullopt;
      if (name) ahead_.insert(*name);
    }
  }
  auto announcement = parts_.proof.signer()->sign(wire::next_key_text(signer->public_pem()));
  start(std::move(*signer), *text, std::move(announcement));
  const auto& shards = parts_.directory.shards();
  const auto behind = std::count_if(shards.begin(), shards.end(),
                                    [this](const auto& entry) { return is_behind(entry.first); });
  spdlog::info("the master's keys are being rotated: {} shards trust the old ones still", behind);
  return {};
}

Result<net::Busy::Guard> Rotation::step() {
  if (stepping_)
    return fail(ErrorKind::not_permitted, "the master's keys are being changed right now; try again");
  return stepping_.begin();
}

/// `private_pem` is shared, since the member may be replaced before the write ends.
net::Task<Result<void>> Rotation::write_key(std::shared_ptr<const std::string> private_pem) {
  const auto file = parts_.settings.state_dir / kPrivateKeyFile;
  co_return co_await net::run_in(parts_.slow_work, [&file, &private_pem] {
    return write_file(file, *private_pem, 0600, IfExists::replace);
  });
}

net::Task<Result<void>> Rotation::begin() {
  if (parts_.settings.store.shared()) {
    co_return fail(ErrorKind::not_permitted,
                   "several servers share the keys, and one cannot change them for all; see \"Keys\" in "
                   "smaster-cluster(7)");
  }
  const auto turn = step();
  if (!turn) co_return turn.error();
  if (active()) co_return fail(ErrorKind::not_permitted, "the keys are being rotated already");
  auto keys = co_await net::run_in(parts_.slow_work, [] { return crypto::generate_key_pair(); });
  if (!keys) co_return keys.error();
  const auto file = path();
  const auto written = co_await net::run_in(parts_.slow_work, [&file, &keys] {
    return write_file(file, keys->private_pem, 0600, IfExists::refuse);
  });
  if (!written) co_return written;
  auto signer =
      co_await net::run_in(parts_.slow_work, [&keys] { return crypto::Signer::load(keys->private_pem); });
  if (!signer) co_return signer.error();
  // The old key may be reloaded from its file meanwhile: then sign again.
  std::string announcement;
  for (std::shared_ptr<const crypto::Signer> old; old != parts_.proof.signer();) {
    old = parts_.proof.signer();
    announcement = co_await net::run_in(
        parts_.signatures, [&old, &keys] { return old->sign(wire::next_key_text(keys->public_pem)); });
  }
  ahead_.clear();
  start(std::move(*signer), keys->private_pem, std::move(announcement));
  spdlog::warn("the master has a new key pair beside the old one; agents are told, others need new configs");
  if (!saving_) co_await save();
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  co_await in_slices(parts_.directory.shards(), slice, [this](const auto& entry) {
    if (active() && entry.second.connected()) announce(*entry.second.session);
  });
  co_return Result<void>();
}

net::Task<Result<void>> Rotation::finish(bool force) {
  const auto turn = step();
  if (!turn) co_return turn.error();
  if (!active()) co_return fail(ErrorKind::not_permitted, "no keys are being rotated");
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  const auto late = co_await behind(slice);
  slice.end();
  if (!late.empty() && !force) {
    co_return fail(ErrorKind::not_permitted, std::to_string(late.size()) +
                                                 " shards trust the old key still, \"" + late.front().str() +
                                                 "\" among them: they would refuse this master");
  }
  auto private_pem = private_pem_;
  const auto written = co_await write_key(std::move(private_pem));
  if (!written) co_return written;
  auto loaded = co_await parts_.reload_keys();
  if (!loaded) co_return loaded;
  active_ = false;
  private_pem_.reset();
  ahead_.clear();
  ::unlink(path().c_str());
  spdlog::warn("the master's old key pair is gone");
  co_return Result<void>();
}

net::Task<Result<void>> Rotation::replace(std::string private_pem) {
  const auto turn = step();
  if (!turn) co_return turn.error();
  if (active()) {
    co_return fail(ErrorKind::not_permitted,
                   "the keys are being rotated; \"smaster rotate-key --finish\" ends that first");
  }
  auto pem = std::make_shared<const std::string>(std::move(private_pem));
  auto written = co_await write_key(std::move(pem));
  if (written) written = co_await parts_.reload_keys();
  co_return written;
}

void Rotation::start(crypto::Signer signer, std::string private_pem, std::string announcement) {
  if (next_) {
    next_->set(std::move(signer));
  } else {
    next_ = std::make_unique<MasterProof>(parts_.context, parts_.signatures, std::move(signer));
  }
  private_pem_ = std::make_shared<const std::string>(std::move(private_pem));
  announcement_ = std::move(announcement);
  active_ = true;
}

net::Task<std::vector<ShardName>> Rotation::behind(Slice& slice) const {
  std::vector<ShardName> names;
  co_await in_slices(parts_.directory.shards(), slice, [&](const auto& entry) {
    if (is_behind(entry.first)) names.push_back(entry.first);
  });
  co_return names;
}

const std::string& Rotation::public_pem() const {
  return active() ? next_->public_pem() : parts_.proof.public_pem();
}

void Rotation::made(const ShardName& name, const std::string& public_pem) {
  if (active() && public_pem == next_->public_pem()) trusts_next(name, true);
}

MasterProof& Rotation::proof_for(const ShardName& name) {
  return active() && ahead_.contains(name.process(0)) ? *next_ : parts_.proof;
}

void Rotation::stayed(const ShardName& name, const MasterProof& proof) {
  // Accepting the old key's proof says nothing: the shard may have received the new key since.
  if (active() && &proof == next_.get()) trusts_next(name, true);
}

void Rotation::left(const ShardName& name, const MasterProof& proof) {
  if (active()) trusts_next(name, &proof != next_.get());
}

void Rotation::announce(ShardSession& session) {
  if (!active() || !session.is_agent() || ahead_.contains(session.name().process(0))) return;
  const auto pem = next_->public_pem();
  session.request("masterKey", {json::quote(pem), json::quote(announcement_)},
                  [this, name = session.name(), pem](const socketio::Arguments* answer) {
                    // An answer may also come late, during the next rotation: it is not about that one's key.
                    if (answer == nullptr || !active() || pem != next_->public_pem()) return;
                    const bool refused = !answer->json.empty() && json::truthy(answer->json.front());
                    if (!refused) return trusts_next(name, true);
                    spdlog::warn("the agent of shard {} does not take the master's new key: {}", name.str(),
                                 answer->json.front().substr(0, 300));
                  });
}

void Rotation::trusts_next(const ShardName& name, bool next) {
  auto own = name.process(0);
  const bool changed = next ? ahead_.insert(std::move(own)).second : ahead_.erase(own) > 0;
  if (!changed) return;
  changed_ = true;
  if (!saving_) parts_.tasks.spawn("save the rotation", save());
}

net::Task<> Rotation::save() {
  const auto busy = saving_.begin();
  do {
    changed_ = false;
    boost::json::array names;
    for (const auto& name : ahead_) names.emplace_back(name.str());
    // Errors are ignored: a shard that refuses one proof gets the other.
    auto text = json::serialize(names);
    (void)co_await parts_.store.save_note(kNote, std::move(text));
  } while (changed_);
}

}  // namespace smaster::server
