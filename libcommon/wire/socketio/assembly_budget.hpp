// Bounds the bytes that packets hold while their attachments are still to come: of one key, whose connections
// may be many, and of all together. No clock and no thread here.
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
  /// One incomplete packet at a time, counted against its key.
  class Holder {
   public:
    Holder() = default;  ///< without bounds: the peer is our own server
    Holder(const AssemblyBudget& budget, std::string key) : state_(budget.state_), key_(std::move(key)) {}
    virtual ~Holder() { release(); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

   protected:
    /// Counts so many bytes more. bad_data when its key has too many. When all keys together have too many,
    /// the key with the most of them loses its largest packet; that may be this one, which is bad_data, too.
    [[nodiscard]] Result<void> hold(std::size_t bytes);
    /// What it holds is complete, or gone.
    void release();
    /// Its bytes are needed by others and no longer counted: frees them, and does nothing else.
    virtual void give_up() {}

   private:
    friend struct State;
    std::shared_ptr<State> state_;  ///< shared, because the last connections end after the server
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
    /// Takes bytes from the key that has the most; false when that is `key`.
    [[nodiscard]] bool make_room(const std::string& key);

    const Limits limits;
    std::size_t total = 0;
    std::map<std::string, Account> accounts;  ///< of those keys that hold something
  };

  std::shared_ptr<State> state_;
};

}  // namespace smaster::socketio
