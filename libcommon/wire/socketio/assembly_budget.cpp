#include "wire/socketio/assembly_budget.hpp"

#include <algorithm>

namespace smaster::socketio {

Result<void> AssemblyBudget::Holder::hold(std::size_t bytes) {
  if (!state_) return {};
  const auto refuse = [](const char* whose, std::size_t most) {
    return fail(ErrorKind::bad_data, std::string("packets that wait for attachments hold too much: ") +
                                         whose + " may have " + std::to_string(most) + " bytes");
  };
  const auto& limits = state_->limits;
  const auto own = state_->accounts.find(key_);
  const auto before = own == state_->accounts.end() ? 0 : own->second.bytes;
  if (before + bytes > limits.each) return refuse("those of one key", limits.each);
  while (state_->total + bytes > limits.total) {
    if (!state_->make_room(key_))
      return refuse("all together, of which this key has the most,", limits.total);
  }
  auto& account = state_->accounts[key_];
  account.bytes += bytes;
  account.holders.insert(this);
  held_ += bytes;
  state_->total += bytes;
  return {};
}

void AssemblyBudget::Holder::release() {
  if (held_ == 0) return;
  const auto own = state_->accounts.find(key_);
  own->second.bytes -= held_;
  own->second.holders.erase(this);
  if (own->second.holders.empty()) state_->accounts.erase(own);
  state_->total -= held_;
  held_ = 0;
}

bool AssemblyBudget::State::make_room(const std::string& key) {
  const auto most = std::max_element(accounts.begin(), accounts.end(), [](const auto& a, const auto& b) {
    return a.second.bytes < b.second.bytes;
  });
  if (most == accounts.end() || most->first == key) return false;
  const auto& holders = most->second.holders;
  auto* const largest = *std::max_element(holders.begin(), holders.end(),
                                          [](const auto* a, const auto* b) { return a->held_ < b->held_; });
  largest->release();
  largest->give_up();
  return true;
}

}  // namespace smaster::socketio
