#include "server/requests/registrar.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>
#include <utility>

#include "base/file.hpp"
#include "crypto/keys.hpp"
#include "net/clock.hpp"
#include "net/http_client.hpp"
#include "records/import.hpp"
#include "records/names.hpp"

namespace smaster::server {
namespace {

bool never_connected(const Shard& shard) { return !shard.info.registered() && shard.session == nullptr; }

}  // namespace

std::filesystem::path Registrar::config_path(const ShardName& name) const {
  return parts_.settings.state_dir / "shards" / ("shard_" + name.str() + "_config.json");
}

Registrar::NewName Registrar::reserve_name(Deliver deliver) {
  auto name = fleet::generate_name(
      [&](const ShardName& candidate) {
        if (parts_.directory.find(candidate) != nullptr || reserved_->contains(candidate)) return true;
        // A file of that name may hold the only copy of some other installation's key.
        std::error_code ignored;
        return deliver == Deliver::file && std::filesystem::exists(config_path(candidate), ignored);
      },
      crypto::random_number());
  reserved_->insert(name);
  return {std::move(name), reserved_};
}

/// `host` of a config, of each master.
boost::json::array Registrar::masters(bool master) const {
  const auto& remote = master ? parts_.settings.master_host : parts_.settings.remote_host;
  const auto host = [&](const std::string& name_or_address, std::uint16_t port) {
    return boost::json::object{
        {"protocol", remote.protocol.empty() ? parts_.settings.protocol() : remote.protocol},
        {"host", name_or_address},
        {"port", port},
        {"path", remote.path.empty() ? parts_.settings.path : remote.path}};
  };
  boost::json::array list;
  for (const auto& entry : parts_.settings.cluster.masters) {
    const auto endpoint = *net::parse_host_port(entry);  // the settings were checked
    list.push_back(host(endpoint.host, endpoint.port));
  }
  if (list.empty()) list.push_back(host(remote.host, remote.port != 0 ? remote.port : parts_.port));
  return list;
}

std::vector<std::string> Registrar::urls() const {
  std::vector<std::string> urls;
  for (const auto& each : masters(false)) {
    const auto& where = each.get_object();
    std::string host(where.at("host").get_string());
    if (host.find(':') != std::string::npos && !host.starts_with('[')) host = '[' + host + ']';
    urls.push_back(std::string(where.at("protocol").get_string()) + "//" + host + ':' +
                   boost::json::serialize(where.at("port")));
  }
  return urls;
}

std::string Registrar::config_text(const ShardName& name, bool master, const std::string& public_pem,
                                   const std::string& private_pem, const std::string& master_key) const {
  auto list = masters(master);
  const bool several = !parts_.settings.cluster.masters.empty();
  boost::json::object config{{"host", several ? boost::json::value(std::move(list)) : list.front()},
                             {"pubKey", public_pem},
                             {"privKey", private_pem},
                             {"masterPubKey", master_key},
                             {"id", name.str()},
                             {"signAlgorithm", "RSA-SHA256"}};
  if (private_pem.empty()) config.erase("privKey");
  return boost::json::serialize(config);
}

std::string Registrar::config_without_key(const ShardName& name, const std::string& public_pem,
                                          const std::string& master_key) const {
  return config_text(name, false, public_pem, "", master_key);
}

net::Task<Result<void>> Registrar::add(ShardName name, bool master, std::string public_pem,
                                       std::string master_key) {
  parts_.rotation.made(name, master_key);
  fleet::ShardInfo info(name);
  info.key = std::move(public_pem);
  info.is_master = master;
  info.created_time = net::wall_clock();
  std::vector<fleet::ShardInfo> infos(1, std::move(info));
  co_return co_await parts_.registration.add(std::move(infos));
}

net::Task<Result<NewShard>> Registrar::generate(bool master, Deliver deliver, std::string by) {
  const auto reserved = reserve_name(deliver);
  const auto& name = reserved.get();

  const auto keys = co_await net::run_in(parts_.slow_work, [] { return crypto::generate_key_pair(); });
  if (!keys) co_return keys.error();
  auto turn = co_await key_turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many configs are being made; try again later");
  const auto master_key = parts_.rotation.public_pem();
  NewShard made{name, {}, config_text(name, master, keys->public_pem, keys->private_pem, master_key)};
  if (deliver == Deliver::file) {
    made.path = config_path(name);
    const auto written = co_await net::run_in(parts_.slow_work, [&]() -> Result<void> {
      if (auto folder = make_private_folder(made.path.parent_path()); !folder) return folder;
      return write_file(made.path, made.config + '\n', 0600, IfExists::refuse);
    });
    if (!written) co_return written.error();
    made.config.clear();
  }
  const auto added = co_await add(name, master, keys->public_pem, master_key);
  if (!added) {
    if (!made.path.empty()) ::unlink(made.path.c_str());
    co_return added.error();
  }
  parts_.events.record({.kind = fleet::EventKind::registered,
                        .text = std::string("registered ") + (master ? "master shard " : "shard ") +
                                name.str() + (made.path.empty() ? "" : ", config in " + made.path.string()),
                        .shard = name.str(),
                        .by = std::move(by)});
  turn.give_back();
  co_await mail(made, keys->public_pem);
  co_return made;
}

/// A config without a file gets a temporary one for its mail.
net::Task<> Registrar::mail(const NewShard& made, const std::string& public_pem) {
  if (!parts_.settings.mail_enabled) co_return;
  const bool temporary = made.path.empty();
  auto path = made.path;
  if (temporary) {
    path = parts_.settings.state_dir / kMailFolder / config_path(made.name).filename();
    const auto written = co_await net::run_in(parts_.slow_work, [&]() -> Result<void> {
      if (auto folder = make_private_folder(path.parent_path()); !folder) return folder;
      return write_file(path, made.config + '\n', 0600, IfExists::replace);
    });
    if (!written) {
      spdlog::error("mail: the config of shard {} is not sent: {}", made.name.str(), written.error().message);
      co_return;
    }
  }
  parts_.mail.config_created(made.name, public_pem, path, temporary);
}

net::Task<Result<Registrar::Imported>> Registrar::import(std::string known_shards) {
  auto shards =
      co_await net::run_in(parts_.slow_work, [&] { return fleet::read_known_shards(known_shards); });
  if (!shards) co_return shards.error();
  Imported imported;
  std::vector<fleet::ShardInfo> fresh;
  fresh.reserve(shards->size());
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  for (auto& info : *shards) {
    if (slice.over()) co_await slice.next();
    const auto* const known = parts_.directory.find(info.id);
    if (known == nullptr && !reserved_->contains(info.id)) {
      fresh.push_back(std::move(info));
    } else if (known != nullptr && known->info.key == info.key) {
      ++imported.unchanged;
    } else {
      co_return fail(ErrorKind::bad_data, "shard \"" + info.id.str() +
                                              "\" is known already, with another key; nothing was imported");
    }
  }
  slice.end();
  co_await net::run_in(parts_.slow_work, [&] { shards->clear(); });  // thousands take milliseconds
  imported.added = fresh.size();
  if (!fresh.empty()) {
    if (auto added = co_await parts_.registration.add(std::move(fresh)); !added) co_return added.error();
  }
  parts_.events.record({fleet::EventKind::registered, "imported " + std::to_string(imported.added) +
                                                          " shards, " + std::to_string(imported.unchanged) +
                                                          " were known already"});
  co_return imported;
}

net::Task<Result<Registrar::ImportedHistory>> Registrar::import_history(std::string history) {
  std::set<std::string, std::less<>> names;
  for (const auto& [name, shard] : parts_.directory.shards()) names.insert(names.end(), name.str());
  const auto oldest = net::wall_clock() - parts_.settings.history_length;
  auto read =
      co_await net::run_in(parts_.slow_work, [&] { return fleet::read_history(history, names, oldest); });
  if (!read) co_return read.error();
  const ImportedHistory counts{read->samples, read->old, read->strange};
  auto added = co_await parts_.history.import(std::move(read->blocks));
  if (!added) co_return added.error();
  spdlog::info("imported {} statuses, {} are too old, {} of unknown shards", counts.samples, counts.old,
               counts.strange);
  co_return counts;
}

net::Task<std::vector<ShardName>> Registrar::undelivered(std::vector<ShardName> names) {
  if (names.empty()) co_return names;
  std::vector<std::pair<ShardName, std::filesystem::path>> files;
  files.reserve(names.size());
  for (auto& name : names) files.emplace_back(name, config_path(name));
  co_return co_await net::run_in(parts_.slow_work, [&files] {
    std::vector<ShardName> found;
    for (const auto& [name, file] : files) {
      std::error_code ignored;
      if (std::filesystem::exists(file, ignored)) found.push_back(name);
    }
    return found;
  });
}

net::Task<Result<void>> Registrar::drop(std::vector<ShardName> unused) {
  if (unused.empty()) co_return Result<void>();
  std::vector<std::filesystem::path> files;
  for (const auto& name : unused) files.push_back(config_path(name));
  auto removed = co_await parts_.registration.remove(std::move(unused), "an import");
  if (!removed) co_return removed;
  co_await net::run_in(parts_.slow_work, [&files] {
    for (const auto& file : files) ::unlink(file.c_str());
  });
  co_return removed;
}

net::Task<Result<std::vector<ShardName>>> Registrar::import_key(std::string private_pem, bool force) {
  const auto signer = co_await net::run_in(parts_.slow_work, [&private_pem]() -> Result<std::string> {
    auto loaded = crypto::Signer::load(private_pem);
    if (!loaded) return loaded.error();
    return loaded->public_pem();
  });
  if (!signer) co_return signer.error();
  std::vector<ShardName> dropped;
  if (*signer == parts_.proof.public_pem()) co_return dropped;
  const auto turn = co_await key_turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many configs are being made; try again later");
  std::vector<ShardName> unused;
  Slice slice(parts_.slices, kForOperators);
  co_await slice.next();
  co_await in_slices(parts_.directory.shards(), slice, [&](const auto& entry) {
    if (never_connected(entry.second)) unused.push_back(entry.first);
  });
  slice.end();
  unused = co_await undelivered(std::move(unused));
  // It may have been copied, and used just now.
  const auto keep_unused = [&] {
    std::erase_if(unused, [&](const ShardName& name) {
      const auto* const shard = parts_.directory.find(name);
      return shard == nullptr || !never_connected(*shard);
    });
  };
  keep_unused();
  const auto others = parts_.directory.shards().size() - unused.size();
  if (others > 0 && !force) {
    co_return fail(
        ErrorKind::not_permitted,
        std::to_string(others) +
            " shards are known already, and their configs have this server's present key: they would "
            "refuse it from now on");
  }
  if (auto replaced = co_await parts_.rotation.replace(std::move(private_pem)); !replaced) {
    co_return replaced.error();
  }
  keep_unused();
  dropped = unused;
  if (auto done = co_await drop(std::move(unused)); !done) co_return done.error();
  co_return dropped;
}

}  // namespace smaster::server
