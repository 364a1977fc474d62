// The server's counters, for Prometheus. Figures about the fleet are in server/stats.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "net/descriptors.hpp"

namespace smaster::server {

/// Durations in Prometheus' cumulative buckets.
class Histogram {
 public:
  void add(std::chrono::steady_clock::duration took);
  /// The lines of the family `name`, without its header.
  [[nodiscard]] std::string text(std::string_view name) const;

 private:
  static constexpr std::array<double, 12> kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    5,     15};  ///< seconds
  std::array<std::uint64_t, kBounds.size()> buckets_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

/// Counters by the value of one label. Few values, which outlive the map.
using Counts = std::map<std::string_view, std::uint64_t>;

/// Current values.
struct Gauges {
  std::size_t identify = 0, sql = 0, mail = 0, files = 0;  ///< lengths of the queues
  const net::Descriptors* descriptors = nullptr;
  std::chrono::duration<double> longest_turn{}, busy{};  ///< of the event loop's turns, and of its work
  std::uint64_t worked_long = 0, stood_long = 0;
  std::size_t ids = 0, ids_down = 0;  ///< of the goal, and those without a running bot
  std::size_t alerts = 0;
  Counts events{};  ///< by kind
  bool store_well = true;
  bool disk_full = false;  ///< why the store cannot be written
  bool leads = true;
};

/// All counters, incremented where the work is done.
struct Metrics {
  Counts handshakes{{"accepted", 0}, {"standby", 0},       {"no_header", 0}, {"malformed", 0},
                    {"clock", 0},    {"replayed", 0},      {"refused", 0},   {"too_many", 0},
                    {"failed", 0},   {"second_master", 0}, {"busy", 0},      {"revoked", 0}};
  Counts eval_answers{{"result", 0}, {"error", 0}, {"missing", 0}};
  Counts statements{{"ok", 0}, {"error", 0}};
  Counts files{{"ok", 0}, {"error", 0}};
  Counts logins{{"identify", 0}, {"resume", 0}};
  std::map<std::string, std::uint64_t> deaths;  ///< of bots, by how they ended: "exit 1", "signal 9", "other"
  std::map<std::string, std::uint64_t> closes;  ///< of gateway connections, by code; "none", "other"
  std::uint64_t statuses = 0;
  std::uint64_t evals = 0;
  Histogram handshake_time;
  Histogram eval_time;  ///< from the question to each answer
  Histogram statement_time;

  /// Prometheus' text format 0.0.4.
  [[nodiscard]] std::string text(const Gauges& gauges) const;
};

}  // namespace smaster::server
