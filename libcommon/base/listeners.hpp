// A list of functions to call at each change; each is called as long as its subscription lives.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <utility>

namespace smaster {

/// Use on one thread only.
template <class... Args>
class Listeners {
 public:
  /// Called within the change, so it must only take note.
  using Listener = std::function<void(Args...)>;

  /// Calls the listener during its lifetime; may outlive the list.
  class Subscription {
   public:
    Subscription(std::shared_ptr<std::list<Listener>> list, Listener listener)
        : list_(std::move(list)), at_(list_->insert(list_->end(), std::move(listener))) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    Subscription(Subscription&&) = default;
    ~Subscription() {
      if (list_) list_->erase(at_);
    }

   private:
    std::shared_ptr<std::list<Listener>> list_;
    typename std::list<Listener>::iterator at_;
  };

  [[nodiscard]] Subscription subscribe(Listener listener) { return {list_, std::move(listener)}; }
  void tell(Args... args) const {
    for (const auto& listener : *list_) listener(args...);
  }

 private:
  std::shared_ptr<std::list<Listener>> list_ = std::make_shared<std::list<Listener>>();
};

}  // namespace smaster
