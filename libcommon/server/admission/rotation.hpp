// Another key pair for the master without downtime: while shards' configs are brought up to date both are
// accepted, and each shard gets the proof that it can verify. Agents are told the new key, signed with the
// old one, and write it into their config; of other shards it shows by which proof they stay.
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
    std::function<void()> reload_keys;  ///< from their files
  };
  explicit Rotation(const Parts& parts) : parts_(parts) {}

  /// Goes on with one that was under way when the last server ended.
  [[nodiscard]] Result<void> load();
  [[nodiscard]] bool active() const { return active_; }
  /// Makes the new pair, on disk when it returns, and announces it. Of `begin`, `finish` and `replace` one
  /// runs at a time; the others are refused meanwhile, with not_permitted.
  net::Task<Result<void>> begin();
  /// From now on there is only the new pair. not_permitted while shards are known that trust the old one,
  /// unless forced.
  net::Task<Result<void>> finish(bool force);
  /// Another pair at once, with no rotation: shards whose configs have the old one refuse this master.
  net::Task<Result<void>> replace(std::string private_pem);
  /// Who trusts the old pair still.
  [[nodiscard]] std::vector<ShardName> behind() const;

  /// The public key for new configs.
  [[nodiscard]] const std::string& public_pem() const;
  /// A shard was made whose config has this public key.
  void made(const ShardName& name, const std::string& public_pem);
  /// The proof that this shard can verify, as far as is known.
  [[nodiscard]] MasterProof& proof_for(const ShardName& name);
  /// It has stayed with the proof that it got, or has left at once.
  void stayed(const ShardName& name, const MasterProof& proof);
  void left(const ShardName& name, const MasterProof& proof);
  /// Tells an agent of the new key, if it does not have it.
  void announce(ShardSession& session);

 private:
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Result<net::Busy::Guard> step();
  net::Task<Result<void>> write_key(std::shared_ptr<const std::string> private_pem);
  void start(crypto::Signer signer, std::string private_pem, std::string announcement);
  void trusts_next(const ShardName& name, bool next);
  net::Task<> save();

  const Parts parts_;
  bool active_ = false;
  net::Busy stepping_;
  std::shared_ptr<const std::string> private_pem_;  ///< the new one; shared with its being written
  std::unique_ptr<MasterProof> next_;  ///< stays when it is over: somebody may wait for its proof
  std::string announcement_;           ///< the old key's signature over the new key
  std::set<ShardName> ahead_;          ///< who trusts the new pair
  net::Busy saving_;
  bool changed_ = false;
};

}  // namespace smaster::server
