#include "server/metrics/metrics.hpp"

#include "base/outlet.hpp"
#include "json/json.hpp"

namespace smaster::server {
namespace {

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP smaster_").append(name).append(" ").append(help).append("\n# TYPE smaster_");
  out.append(name).append(" ").append(type).append("\n");
}

void counter(std::string& out, std::string_view name, std::string_view help, std::uint64_t value) {
  head(out, name, "counter", help);
  out.append("smaster_").append(name).append(" ").append(std::to_string(value)).append("\n");
}

void gauge(std::string& out, std::string_view name, std::string_view help, std::size_t value) {
  head(out, name, "gauge", help);
  out.append("smaster_").append(name).append(" ").append(std::to_string(value)).append("\n");
}

/// `counts`: by the value of `label`.
void counters(std::string& out, std::string_view name, std::string_view help, const auto& counts,
              std::string_view label = "outcome") {
  head(out, name, "counter", help);
  for (const auto& [outcome, value] : counts) {
    out.append("smaster_")
        .append(name)
        .append("{")
        .append(label)
        .append("=\"")
        .append(outlet::metrics_label(outcome))
        .append("\"} ");
    out.append(std::to_string(value)).append("\n");
  }
}

/// One line for each share of the descriptors.
template <class Value>
void by_share(std::string& out, std::string_view name, std::string_view type, std::string_view help,
              Value value) {
  head(out, name, type, help);
  for (const auto share : net::kAllShares) {
    out.append("smaster_").append(name).append("{share=\"").append(net::to_string(share)).append("\"} ");
    out.append(std::to_string(value(share))).append("\n");
  }
}

void connections(std::string& out, const net::Descriptors& descriptors) {
  by_share(out, "connections", "gauge", "Connections, by what they are for.",
           [&](net::Share share) { return descriptors.open(share); });
  by_share(out, "connections_limit", "gauge", "How many there may be, within the limit of descriptors.",
           [&](net::Share share) { return descriptors.limits().of(share); });
  by_share(out, "connections_full", "gauge", "Whether some were dropped or refused in the last seconds.",
           [&](net::Share share) { return descriptors.is_full(share) ? 1 : 0; });
  by_share(out, "connections_refused_total", "counter", "Dropped or refused because there were too many.",
           [&](net::Share share) { return descriptors.refused(share); });
  head(out, "descriptors_limit", "gauge", "RLIMIT_NOFILE of the server.");
  out.append("smaster_descriptors_limit ").append(std::to_string(descriptors.limits().total)).append("\n");
  head(out, "descriptors_exhausted", "gauge",
       "Whether the server found no descriptor left in the last seconds.");
  out.append("smaster_descriptors_exhausted ").append(descriptors.is_exhausted() ? "1\n" : "0\n");
}

void histogram(std::string& out, std::string_view name, std::string_view help, const Histogram& values) {
  head(out, name, "histogram", help);
  out += values.text(name);
}

}  // namespace

void Histogram::add(std::chrono::steady_clock::duration took) {
  const auto seconds = std::chrono::duration<double>(took).count();
  ++count_;
  sum_ += seconds;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    if (seconds <= kBounds[i]) ++buckets_[i];
  }
}

std::string Histogram::text(std::string_view name) const {
  const auto family = "smaster_" + std::string(name);
  std::string out;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    out += family + "_bucket{le=\"" + json::number(kBounds[i]) + "\"} " + std::to_string(buckets_[i]) + '\n';
  }
  out += family + "_bucket{le=\"+Inf\"} " + std::to_string(count_) + '\n';
  out += family + "_sum " + json::number(sum_) + '\n';
  return out + family + "_count " + std::to_string(count_) + '\n';
}

std::string Metrics::text(const Gauges& gauges) const {
  std::string out;
  counters(out, "handshakes_total", "Requests for a new session, by how they ended.", handshakes);
  counter(out, "statuses_total", "Statuses received from shards.", statuses);
  counter(out, "evals_total", "Evals begun, by operators and by shards.", evals);
  counters(out, "eval_answers_total", "Answers of single shards to evals.", eval_answers);
  counters(out, "sql_statements_total", "SQL statements, by how they ended.", statements);
  counters(out, "files_total", "Files that shards have written here or got from here, by how that ended.",
           files);
  counters(out, "bot_deaths_total", "Bots that died by themselves, by how.", deaths, "exit");
  counters(out, "gateway_closes_total",
           "Gateway connections of bots that were lost or refused, by close code.", closes, "code");
  counters(out, "gateway_logins_total", "IDENTIFYs and resumed sessions of bots, as they report them.",
           logins, "kind");
  histogram(out, "handshake_seconds", "From a request for a session to its answer.", handshake_time);
  histogram(out, "eval_answer_seconds", "From an eval's begin to a shard's answer.", eval_time);
  histogram(out, "sql_statement_seconds", "From a statement's arrival to its result.", statement_time);
  head(out, "queue_length", "gauge", "What waits for its turn.");
  const auto queue = [&out](std::string_view name, std::size_t length) {
    out.append("smaster_queue_length{queue=\"")
        .append(outlet::metrics_label(name))
        .append("\"} ")
        .append(std::to_string(length)) += '\n';
  };
  queue("identify", gauges.identify);
  queue("sql", gauges.sql);
  queue("mail", gauges.mail);
  queue("files", gauges.files);
  if (gauges.descriptors != nullptr) connections(out, *gauges.descriptors);
  head(out, "loop_longest_turn_seconds", "gauge",
       "The longest that one turn of the event loop has made all others wait, in the last one to two "
       "minutes.");
  out += "smaster_loop_longest_turn_seconds " + json::number(gauges.longest_turn.count()) + '\n';
  head(out, "loop_long_turns_total", "counter",
       "Turns of the event loop that took more than 5 ms: of work, or else since the machine was "
       "busy.");
  out += "smaster_loop_long_turns_total{cause=\"work\"} " + std::to_string(gauges.worked_long) + '\n';
  out += "smaster_loop_long_turns_total{cause=\"machine\"} " + std::to_string(gauges.stood_long) + '\n';
  head(out, "loop_busy_seconds_total", "counter", "Time that the event loop has been at work.");
  out += "smaster_loop_busy_seconds_total " + json::number(gauges.busy.count()) + '\n';
  gauge(out, "shard_ids", "Shard ids of the goal, at the last look for alerts.", gauges.ids);
  gauge(out, "shard_ids_down", "Those of them that have no running bot.", gauges.ids_down);
  gauge(out, "alerts", "What is wrong now, silenced or not.", gauges.alerts);
  counters(out, "events_total", "Events since the start, by kind.", gauges.events, "kind");
  head(out, "store_writable", "gauge", "Whether the last write of the registry or the history went well.");
  out += gauges.store_well ? "smaster_store_writable 1\n" : "smaster_store_writable 0\n";
  head(out, "store_disk_full", "gauge", "Whether that is because the disk is full.");
  out += gauges.disk_full ? "smaster_store_disk_full 1\n" : "smaster_store_disk_full 0\n";
  head(out, "leads", "gauge",
       "Whether this server commands the shards: of several one does, one alone always.");
  out += gauges.leads ? "smaster_leads 1\n" : "smaster_leads 0\n";
  return out;
}

}  // namespace smaster::server
