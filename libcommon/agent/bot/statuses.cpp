#include "agent/bot/statuses.hpp"

#include <algorithm>

#include "json/json.hpp"

namespace smaster::agent {

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
