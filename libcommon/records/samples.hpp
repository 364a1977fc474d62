// Statuses over time in a packed format: each number as the difference to the previous sample, in as few
// bytes as possible. About 60 bytes per status, half of them for CPU loads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "records/gateway_watch.hpp"
#include "records/shard_info.hpp"

namespace smaster::fleet {

/// A shard's gateway state in a sample. The figures are those of its first gateway report, in the units of
/// GatewayReport.
struct GatewaySample {
  Gateway standing = Gateway::unknown;
  std::int64_t code = 0;
  std::int64_t acks_missed = 0;
  std::int64_t guilds = -1;
  std::int64_t logins = 0;
  std::int64_t resumes = 0;
  std::int64_t loop_delay = -1;
  bool operator==(const GatewaySample&) const = default;
};
/// The gateway part of a status; nullopt if the shard does not report it.
[[nodiscard]] std::optional<GatewaySample> gateway_sample(const ShardStatus& status, Gateway standing);
[[nodiscard]] boost::json::object to_json(const GatewaySample& gateway);

/// A status and the time at which it was received.
struct Sample {
  Time at;
  ShardStatus status;  ///< without `id`, `is_master`, `cpus`, `bot`; assignments: first id only
  std::optional<GatewaySample> gateway = {};
};

/// Consecutive samples of one shard. `first` identifies the block within the shard.
struct SampleBlock {
  ShardName shard;
  Time first;
  Time last;
  std::string packed;
  bool full = false;  ///< complete: no samples will be added
};

/// Collects one shard's samples in a block.
class OpenBlock {
 public:
  /// Maximum size: three blocks and the database's overhead fill a page of 4 KiB.
  static constexpr std::size_t kBytes = 1320;
  /// Number of integers in a sample: its time, and those of the status.
  static constexpr std::size_t kNumbers = 17;

  explicit OpenBlock(ShardName shard) : shard_(std::move(shard)) {}

  /// Adds a sample: times and counts as integers, ping and loads as 32-bit floats. If `at` is not later than
  /// the last sample, the sample gets the next millisecond. Returns the completed block if the sample starts
  /// a new one.
  std::optional<SampleBlock> add(Time at, const ShardStatus& status,
                                 const std::optional<GatewaySample>& gateway = {});
  /// A copy of the block so far, marked with `full`.
  [[nodiscard]] SampleBlock block(bool full) const { return {shard_, first_, last_, packed_, full}; }
  [[nodiscard]] bool empty() const { return packed_.empty(); }

 private:
  /// Appends a sample as differences to the last one, and remembers it as the last one.
  void pack(Time at, const ShardStatus& status, const std::optional<GatewaySample>& gateway);

  ShardName shard_;
  Time first_ = kNever;
  Time last_ = kNever;
  std::string packed_;
  std::array<std::int64_t, kNumbers> numbers_{};  ///< of the last sample
};

/// Decodes a block; stops at the first invalid sample.
[[nodiscard]] std::vector<Sample> unpack(std::string_view packed);

/// Decodes a status of the format before blocks: absolute numbers, ping, and loads up to the end.
[[nodiscard]] ShardStatus unpack_lone(std::string_view packed);

/// The samples of one shard's blocks later than `since`, sorted, without duplicate times.
[[nodiscard]] std::vector<Sample> merge(const std::vector<SampleBlock>& blocks, Time since);

}  // namespace smaster::fleet
