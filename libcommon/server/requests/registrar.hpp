// New shards: their names, keys and config files; and whole registries taken over from an existing
// installation.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "server/admission/registration.hpp"
#include "server/admission/rotation.hpp"
#include "server/fairness/slices.hpp"
#include "server/keys/master_proof.hpp"
#include "server/requests/mail.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// Where a new shard's config goes: the only place that ever holds its private key.
enum class Deliver {
  file,  ///< `<state_dir>/shards/shard_<name>_config.json`, 0600
  text,  ///< to the caller alone; nothing is written here
};

/// A shard that is registered now.
struct NewShard {
  ShardName name;
  std::filesystem::path path;  ///< empty for Deliver::text
  std::string config;          ///< JSON; empty for Deliver::file
};

class Registrar {
 public:
  struct Parts {
    const Settings& settings;
    const std::uint16_t& port;
    Directory& directory;
    Registration& registration;
    StatusHistory& history;
    Rotation& rotation;
    const MasterProof& proof;
    Mail& mail;
    Slices& slices;
    net::asio::thread_pool& slow_work;
  };
  explicit Registrar(const Parts& parts) : parts_(parts) {}

  /// Makes a key pair in the pool and registers a new shard under a new name. On disk when it returns; on an
  /// error nothing is left behind.
  net::Task<Result<NewShard>> generate(bool master, Deliver deliver);

  struct Imported {
    std::size_t added = 0;
    std::size_t unchanged = 0;  ///< known already, with the same key
  };
  /// Takes over a knownShards.json, all of it or nothing. bad_data names the shard that does not fit.
  net::Task<Result<Imported>> import(std::string known_shards);

  struct ImportedHistory {
    std::size_t samples = 0;
    std::size_t old = 0;      ///< beyond history_length
    std::size_t strange = 0;  ///< of shards that are not known
  };
  /// Takes over a shardStatsHistory.json.
  net::Task<Result<ImportedHistory>> import_history(std::string history);
  /// Takes over a master's private key. not_permitted when shards are known that trust another, unless
  /// forced.
  net::Task<Result<void>> import_key(std::string private_pem, bool force);

 private:
  net::Task<> mail(const NewShard& made, const std::string& public_pem);
  [[nodiscard]] ShardName reserve_name(Deliver deliver);
  [[nodiscard]] std::filesystem::path config_path(const ShardName& name) const;
  [[nodiscard]] std::string config_text(const ShardName& name, bool master, const std::string& public_pem,
                                        const std::string& private_pem, const std::string& master_key) const;

  const Parts parts_;
  /// Names being generated now.
  std::shared_ptr<std::unordered_set<ShardName>> reserved_ =
      std::make_shared<std::unordered_set<ShardName>>();
};

}  // namespace smaster::server
