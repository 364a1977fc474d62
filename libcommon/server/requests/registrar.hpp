// Registers new shards (name, keys and config file), and imports the registry of an existing installation.
#pragma once

#include <boost/json/array.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "server/admission/registration.hpp"
#include "server/admission/rotation.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/fairness/slices.hpp"
#include "server/keys/master_proof.hpp"
#include "server/requests/mail.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// Where a new shard's config goes. It is the only copy of the shard's private key.
enum class Deliver {
  file,  ///< `<state_dir>/shards/shard_<name>_config.json`, 0600
  text,  ///< to the caller alone; nothing is written here
};

/// A newly registered shard.
struct NewShard {
  ShardName name;
  std::filesystem::path path;  ///< empty for Deliver::text
  std::string config;          ///< JSON; empty for Deliver::file
};

class Registrar {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    const std::uint16_t& port;
    Directory& directory;
    Registration& registration;
    StatusHistory& history;
    Rotation& rotation;
    const MasterProof& proof;
    Mail& mail;
    Events& events;
    Slices& slices;
    net::asio::thread_pool& slow_work;
  };
  explicit Registrar(const Parts& parts)
      : parts_(parts), key_turns_(parts.context, 1, kMostWaiting, kMostWaiting) {}

  /// Generates a key pair in the pool, which takes seconds, and registers a shard under a new name. Persisted
  /// when it returns; on an error nothing is left behind. `by`: who asked.
  net::Task<Result<NewShard>> generate(bool master, Deliver deliver, std::string by);

  /// A name that no other shard gets while this exists.
  class NewName {
   public:
    NewName(ShardName name, std::shared_ptr<std::unordered_set<ShardName>> reserved)
        : name_(std::move(name)), reserved_(std::move(reserved)) {}
    NewName(NewName&&) noexcept = default;
    NewName& operator=(NewName&&) = delete;
    ~NewName() {
      if (reserved_) reserved_->erase(name_);
    }
    [[nodiscard]] const ShardName& get() const { return name_; }

   private:
    ShardName name_;
    /// Shared: at shutdown, a coroutine may outlive the registrar.
    std::shared_ptr<std::unordered_set<ShardName>> reserved_;
  };
  [[nodiscard]] NewName reserve_name(Deliver deliver);
  /// Registers a shard whose key pair was made elsewhere, and whose config has `master_key`. Persisted when
  /// it returns.
  net::Task<Result<void>> add(ShardName name, bool master, std::string public_pem, std::string master_key);
  /// The config of such a shard, without its private key.
  [[nodiscard]] std::string config_without_key(const ShardName& name, const std::string& public_pem,
                                               const std::string& master_key) const;
  /// Where shards connect: "https://host:port" of each master.
  [[nodiscard]] std::vector<std::string> urls() const;

  struct Imported {
    std::size_t added = 0;
    std::size_t unchanged = 0;  ///< known already, with the same key
  };
  /// Imports a knownShards.json, all of it or nothing. Errors: bad_data, which names the shard in conflict.
  net::Task<Result<Imported>> import(std::string known_shards);

  struct ImportedHistory {
    std::size_t samples = 0;
    std::size_t old = 0;      ///< older than history_length
    std::size_t strange = 0;  ///< of shards that are not known
  };
  /// Imports a shardStatsHistory.json.
  net::Task<Result<ImportedHistory>> import_history(std::string history);
  /// Until it is given back, the master's key stays what it is; false: too many wait.
  net::Task<FairSemaphore::Turn> key_turn() { co_return co_await key_turns_.take(""); }
  /// Imports a master's private key. Undelivered configs, which trust the present key, are revoked and
  /// their files removed: returns their names. not_permitted if other shards are known, unless forced.
  net::Task<Result<std::vector<ShardName>>> import_key(std::string private_pem, bool force);

 private:
  net::Task<> mail(const NewShard& made, const std::string& public_pem);
  /// Those of these names whose config is still in the state folder.
  net::Task<std::vector<ShardName>> undelivered(std::vector<ShardName> names);
  /// Revokes shards, and removes their configs from the state folder.
  net::Task<Result<void>> drop(std::vector<ShardName> unused);
  [[nodiscard]] boost::json::array masters(bool master) const;
  [[nodiscard]] std::filesystem::path config_path(const ShardName& name) const;
  [[nodiscard]] std::string config_text(const ShardName& name, bool master, const std::string& public_pem,
                                        const std::string& private_pem, const std::string& master_key) const;

  static constexpr std::size_t kMostWaiting = 1'000;

  const Parts parts_;
  FairSemaphore key_turns_;  ///< of those that write the master's key into a config, or replace it
  /// Names of shards that are being generated.
  std::shared_ptr<std::unordered_set<ShardName>> reserved_ =
      std::make_shared<std::unordered_set<ShardName>>();
};

}  // namespace smaster::server
