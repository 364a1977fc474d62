#include "agent/boot_gate.hpp"

#include <algorithm>

namespace smaster::agent {

void BootGate::forget_slow(Instant now) {
  std::erase_if(booting_, [now](const auto& bot) { return now >= bot.second + kLongestBoot; });
}

bool BootGate::enter(BootOwner& bot, ShardId first, Instant now) {
  forget_slow(now);
  if (booting_.contains(&bot)) return true;
  std::erase_if(waiting_, [&bot](const auto& waiting) { return waiting.second == &bot; });
  if (closed_ && (booting_.size() >= at_once_ || !waiting_.empty())) {
    waiting_.emplace(first, &bot);
    return false;
  }
  booting_.emplace(&bot, now);
  return true;
}

void BootGate::leave(BootOwner& bot) {
  booting_.erase(&bot);
  std::erase_if(waiting_, [&bot](const auto& waiting) { return waiting.second == &bot; });
}

std::vector<BootOwner*> BootGate::admit(Instant now) {
  forget_slow(now);
  std::vector<BootOwner*> admitted;
  while (!waiting_.empty() && booting_.size() < at_once_) {
    auto* const bot = waiting_.extract(waiting_.begin()).value().second;
    booting_.emplace(bot, now);
    admitted.push_back(bot);
  }
  return admitted;
}

std::optional<Instant> BootGate::deadline() const {
  if (waiting_.empty()) return std::nullopt;
  if (booting_.size() < at_once_) return Instant{};
  auto first = Instant::max();
  for (const auto& [bot, since] : booting_) first = std::min(first, since + kLongestBoot);
  return first;
}

}  // namespace smaster::agent
