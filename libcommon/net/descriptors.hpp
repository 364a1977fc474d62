// Divides the file descriptors of the process into shares, one per kind of connection, so that no kind can
// starve another. A full share is a state: logged when it begins and when it ends, and its refusals are
// counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"

namespace smaster::net {

/// The kinds of connections.
enum class Share : std::uint8_t {
  strangers,  ///< on the shard port, not authenticated yet
  shards,
  control,    ///< operators, on the control socket
  dashboard,  ///< operators, on the dashboard
};
inline constexpr std::size_t kShares = 4;
inline constexpr std::array<Share, kShares> kAllShares{Share::strangers, Share::shards, Share::control,
                                                       Share::dashboard};
[[nodiscard]] std::string_view to_string(Share share);

/// Maximum number of connections of each share, and the descriptors reserved for other uses.
struct DescriptorLimits {
  std::size_t total = 0;  ///< RLIMIT_NOFILE
  std::size_t own = 0;    ///< reserved for store, files, programs, connections to other servers
  std::size_t files = 0;  ///< part of `own`: files being sent to shards at the same time
  std::size_t port = 0;   ///< strangers and shards together
  std::array<std::size_t, kShares> share{};  ///< by Share

  [[nodiscard]] std::size_t of(Share which) const { return share[static_cast<std::size_t>(which)]; }
};
[[nodiscard]] DescriptorLimits share_out(std::size_t total);

/// A connection's slot in a share; the destructor releases it.
class Place {
 public:
  Place() = default;
  Place(Place&& other) noexcept : counts_(std::move(other.counts_)), share_(other.share_) {}
  Place& operator=(Place&& other) noexcept;
  ~Place() { release(); }

  [[nodiscard]] explicit operator bool() const { return counts_ != nullptr; }
  [[nodiscard]] Share share() const { return share_; }
  /// Moves the slot; false, with no effect, if that share is full.
  [[nodiscard]] bool move_to(Share share);
  /// Moves the slot even if that share is full.
  void move_anyway(Share share);
  void release();

 private:
  friend class Descriptors;
  struct Counts;
  Place(std::shared_ptr<Counts> counts, Share share) : counts_(std::move(counts)), share_(share) {}

  std::shared_ptr<Counts> counts_;  ///< shared, because connections may outlive Descriptors
  Share share_ = Share::strangers;
};

class Descriptors {
 public:
  /// Computes the limits from the process' current RLIMIT_NOFILE.
  explicit Descriptors(asio::io_context& context);
  ~Descriptors();
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  /// Takes a slot for one more connection; empty if the share is full.
  [[nodiscard]] Place take(Share share);
  /// Records that a connection was dropped or refused because the share is full.
  void full(Share share);
  /// Records that the process ran out of descriptors in spite of the shares, and drops a silent stranger.
  /// Returns false if none could be dropped.
  bool exhausted();
  /// Accepts the next connection and closes it at once, using a spare descriptor. Otherwise it would stay in
  /// the queue and block all connections behind it.
  void refuse_next(int listening);

  [[nodiscard]] const DescriptorLimits& limits() const;
  [[nodiscard]] std::size_t open(Share share) const;
  /// Number of connections dropped or refused so far.
  [[nodiscard]] std::uint64_t refused(Share share) const;
  [[nodiscard]] bool is_full(Share share) const;
  [[nodiscard]] bool is_exhausted() const { return states_[kProcess].full; }
  /// Describes what is full now, and the remedy; empty: nothing is.
  [[nodiscard]] std::string trouble() const;

  /// Closes a silent connection, false if there is none; set by the listener.
  std::function<bool()> drop_stranger;

 private:
  struct State {
    bool full = false;
    Instant last{};  ///< time of the last refusal
    std::uint64_t refused = 0;
  };
  static constexpr std::size_t kProcess = kShares;  ///< index of the process as a whole in `states_`

  void begin(std::size_t which);
  [[nodiscard]] std::string text(std::size_t which) const;
  void arm();

  std::shared_ptr<Place::Counts> counts_;
  std::array<State, kShares + 1> states_{};
  Timer timer_;
  Fd spare_;
};

}  // namespace smaster::net
