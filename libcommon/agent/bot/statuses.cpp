#include "agent/bot/statuses.hpp"

#include <algorithm>
#include <chrono>

#include "json/json.hpp"

namespace smaster::agent {

void Statuses::measure_cpu(const BotFacts& facts, Time now) {
  // The kernel counts in hundredths of a second.
  constexpr Millis kShortest{1'000};
  const bool same = facts.pid > 0 && cpu_start_ == facts.start_time && cpu_before_ >= 0;
  if (same && now - cpu_at_ < kShortest) return;
  bot_cpu_ = kUnknown;
  if (same) {
    const auto elapsed = std::chrono::duration<double>(now - cpu_at_).count();
    // Time of a process whose parent had left it is lost with it.
    bot_cpu_ = std::max(facts.tree.cpu - cpu_before_, 0.0) / elapsed;
  }
  cpu_before_ = facts.pid > 0 ? facts.tree.cpu : kUnknown;
  cpu_at_ = now;
  cpu_start_ = facts.start_time;
}

fleet::ShardStatus Statuses::compose(const BotFacts& facts, const boost::json::object* figures, Time now,
                                     const Storage& storage) {
  fleet::ShardStatus status;
  status.id = facts.name;
  status.is_master = facts.is_master;
  status.start_time = facts.start_time;
  status.stop_time = facts.stop_time;
  status.goal = facts.goal.value_or(Assignment{});
  status.current = facts.assignment.value_or(Assignment{});
  status.timestamp = now;
  status.time_delta = last_ == fleet::kNever ? 0 : static_cast<double>((now - last_).count());
  last_ = now;

  cores_.read();
  status.cpu_load = cores_.loads();
  status.cpus = cores_.json();
  status.storage_used_total = storage.total;
  status.storage_used_users = storage.users;

  measure_cpu(facts, now);
  const auto& tree = facts.tree;
  status.mem_rss = tree.rss;
  status.mem_heap_used = tree.anonymous;
  status.mem_heap_total = tree.data;
  status.ping = kUnknown;
  double messages = kUnknown;
  if (figures != nullptr) {
    if (const auto* const memory = json::object_at(*figures, "memory")) {
      double own = 0;
      json::read(*memory, "rss", own);
      // The bot knows only its own process; add its descendants.
      if (own > 0) status.mem_rss = own + tree.rss - process_rss(facts.pid);
      json::read(*memory, "heapUsed", status.mem_heap_used);
      json::read(*memory, "heapTotal", status.mem_heap_total);
      json::read(*memory, "external", status.mem_external);
    }
    json::read(*figures, "ping", status.ping);
    json::read(*figures, "numMessages", messages);
  }
  const bool same_bot = last_start_ == facts.start_time && messages_ >= 0;
  if (messages < 0 && same_bot) messages = messages_;  // a bot that no longer answers: keep its last count
  status.message_count_total = messages;
  status.message_count_delta = messages < 0 ? kUnknown
                               : same_bot   ? std::max(messages - messages_, 0.0)
                                            : messages;
  messages_ = messages;
  last_start_ = facts.start_time;
  return status;
}

}  // namespace smaster::agent
