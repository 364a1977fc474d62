// Limits the memory of packets whose attachments are missing: per key (a key may have many connections), and
// in total. No clock and no thread here.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/result.hpp"

namespace smaster::socketio {

class AssemblyBudget {
 public:
  struct Limits {
    std::size_t each;   ///< bytes of one key
    std::size_t total;  ///< bytes of all keys
  };

 private:
  struct State;

 public:
  /// The memory of one incomplete packet, counted against its key.
  class Holder {
   public:
    Holder() = default;  ///< without a limit, for the connection to our own server
    Holder(const AssemblyBudget& budget, std::string key) : state_(budget.state_), key_(std::move(key)) {}
    virtual ~Holder() { release(); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   protected:
    /// Adds `bytes`. Errors: bad_data if the key's limit is exceeded, or if the total limit is and this key
    /// uses the most memory. Otherwise the key that uses the most loses its largest packet (give_up).
    [[nodiscard]] Result<void> hold(std::size_t bytes);
    /// The packet is complete or dropped: returns its bytes to the budget.
    void release();
    /// The budget has taken this packet's bytes: free them. Must not do anything else.
    virtual void give_up() {}

   private:
    friend struct State;
    std::shared_ptr<State> state_;  ///< shared, because connections may outlive the server
    std::string key_;
    std::size_t held_ = 0;
  };

  explicit AssemblyBudget(Limits limits) : state_(std::make_shared<State>(limits)) {}

  [[nodiscard]] std::size_t held() const { return state_->total; }

 private:
  struct Account {
    std::size_t bytes = 0;
    std::set<Holder*> holders;
  };
  struct State {
    explicit State(Limits limits_) : limits(limits_) {}
    /// Drops the largest packet of the key that uses the most memory; false if that key is `key`.
    [[nodiscard]] bool make_room(const std::string& key);

    const Limits limits;
    std::size_t total = 0;
    std::map<std::string, Account> accounts;  ///< keys that hold memory
  };

  std::shared_ptr<State> state_;
};

}  // namespace smaster::socketio
