// Replaces the master's key pair without downtime. While shards' configs are updated, both pairs are in use,
// and each shard gets the proof that it can verify. Agents receive the new key, signed with the old one, and
// write it into their config. Which key another shard trusts shows in the proof with which it stays
// connected.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/keys/master_proof.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class ShardSession;

class Rotation {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    Directory& directory;
    StoreThread& store;
    MasterProof& proof;
    net::asio::thread_pool& slow_work;
    net::asio::thread_pool& signatures;
    Slices& slices;
    net::TaskScope& tasks;
    std::function<net::Task<Result<void>>()> reload_keys;  ///< reloads the key pair from its files
  };
  explicit Rotation(const Parts& parts) : parts_(parts) {}

  /// Resumes a rotation that was active when the server stopped. Reads files and the store; blocks.
  [[nodiscard]] Result<void> load();
  [[nodiscard]] bool active() const { return active_; }
  /// Generates the new pair, persists it and announces it to connected agents. not_permitted with a shared
  /// store or during a rotation. Only one of `begin`, `finish` and `replace` runs at a time; meanwhile the
  /// others fail with not_permitted.
  net::Task<Result<void>> begin();
  /// Ends the rotation: from now on only the new pair is valid. not_permitted while known shards trust the
  /// old one, unless forced.
  net::Task<Result<void>> finish(bool force);
  /// Replaces the pair at once, without a rotation: shards whose configs have the old key refuse this master.
  net::Task<Result<void>> replace(std::string private_pem);
  /// Known shards that do not trust the new pair yet. `slice` must have begun.
  [[nodiscard]] net::Task<std::vector<ShardName>> behind(Slice& slice) const;

  /// The public key for new configs.
  [[nodiscard]] const std::string& public_pem() const;
  /// Records that a new shard's config has this public key.
  void made(const ShardName& name, const std::string& public_pem);
  /// The proof that this shard can verify, as far as is known.
  [[nodiscard]] MasterProof& proof_for(const ShardName& name);
  /// Records that the shard has accepted this proof, or has left right after it.
  void stayed(const ShardName& name, const MasterProof& proof);
  void left(const ShardName& name, const MasterProof& proof);
  /// Sends an agent the new key, unless it has it. Does nothing for other shards, or without a rotation.
  void announce(ShardSession& session);

 private:
  [[nodiscard]] bool is_behind(const ShardName& name) const {
    return !name.is_further() && !ahead_.contains(name);
  }
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Result<net::Busy::Guard> step();
  net::Task<Result<void>> write_key(std::shared_ptr<const std::string> private_pem);
  void start(crypto::Signer signer, std::string private_pem, std::string announcement);
  void trusts_next(const ShardName& name, bool next);
  net::Task<> save();

  const Parts parts_;
  bool active_ = false;
  net::Busy stepping_;
  std::shared_ptr<const std::string> private_pem_;  ///< the new key; shared with a write in progress
  std::unique_ptr<MasterProof> next_;  ///< kept after the rotation: callbacks may still wait for its proof
  std::string announcement_;           ///< the old key's signature over the new key
  std::set<ShardName> ahead_;          ///< shards that trust the new pair
  net::Busy saving_;
  bool changed_ = false;
};

}  // namespace smaster::server
