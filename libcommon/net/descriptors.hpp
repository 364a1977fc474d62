// Shares out the descriptors that the process may have open: each kind of connection has a share of its own,
// so that one kind cannot take what another needs. A share that is full is a state: logged once, counted, and
// logged again when it is over.
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

/// What a connection is open for.
enum class Share : std::uint8_t {
  strangers,  ///< on the port for shards, not yet known to be a shard's
  shards,
  control,    ///< operators, on the control socket
  dashboard,  ///< operators, on the dashboard
};
inline constexpr std::size_t kShares = 4;
inline constexpr std::array<Share, kShares> kAllShares{Share::strangers, Share::shards, Share::control,
                                                       Share::dashboard};
[[nodiscard]] std::string_view to_string(Share share);

/// How many connections each share may have, and what is left for the server's own use.
struct DescriptorLimits {
  std::size_t total = 0;                     ///< RLIMIT_NOFILE
  std::size_t own = 0;                       ///< store, files, programs, other servers
  std::size_t files = 0;                     ///< of those: files that shards are sent at the same time
  std::size_t port = 0;                      ///< strangers and shards together
  std::array<std::size_t, kShares> share{};  ///< by Share

  [[nodiscard]] std::size_t of(Share which) const { return share[static_cast<std::size_t>(which)]; }
};
[[nodiscard]] DescriptorLimits share_out(std::size_t total);

/// A connection's place in a share; given back with it.
class Place {
 public:
  Place() = default;
  Place(Place&& other) noexcept : counts_(std::move(other.counts_)), share_(other.share_) {}
  Place& operator=(Place&& other) noexcept;
  ~Place() { release(); }

  [[nodiscard]] explicit operator bool() const { return counts_ != nullptr; }
  [[nodiscard]] Share share() const { return share_; }
  /// False when that share is full, and the place stays where it is.
  [[nodiscard]] bool move_to(Share share);
  /// Into a share that has a place for it by other rules.
  void move_anyway(Share share);
  void release();

 private:
  friend class Descriptors;
  struct Counts;
  Place(std::shared_ptr<Counts> counts, Share share) : counts_(std::move(counts)), share_(share) {}

  std::shared_ptr<Counts> counts_;  ///< shared, because the last connections end after the server
  Share share_ = Share::strangers;
};

class Descriptors {
 public:
  /// Within the present limit of the process.
  explicit Descriptors(asio::io_context& context);
  ~Descriptors();
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  /// A place for one more connection; an empty one when the share is full.
  [[nodiscard]] Place take(Share share);
  /// Somebody was dropped or refused because the share is full.
  void full(Share share);
  /// The process got no descriptor although it should have had one. Drops a silent stranger, if there is one;
  /// false when nothing could be freed.
  bool exhausted();
  /// Accepts the next connection of a listening socket and closes it at once, with a descriptor that is kept
  /// for that: it would wait for ever otherwise, and nobody after it be served.
  void refuse_next(int listening);

  [[nodiscard]] const DescriptorLimits& limits() const;
  [[nodiscard]] std::size_t open(Share share) const;
  /// How many were dropped or refused so far.
  [[nodiscard]] std::uint64_t refused(Share share) const;
  [[nodiscard]] bool is_full(Share share) const;
  [[nodiscard]] bool is_exhausted() const { return states_[kProcess].full; }
  /// What is full now and what to do about it; empty: nothing is.
  [[nodiscard]] std::string trouble() const;

  std::function<bool()> drop_stranger;  ///< closes a silent connection; set by who has them

 private:
  struct State {
    bool full = false;
    Instant last{};  ///< when it last was full
    std::uint64_t refused = 0;
  };
  static constexpr std::size_t kProcess = kShares;  ///< the process as a whole, in `states_`

  void begin(std::size_t which);
  [[nodiscard]] std::string text(std::size_t which) const;
  void arm();

  std::shared_ptr<Place::Counts> counts_;
  std::array<State, kShares + 1> states_{};
  Timer timer_;
  Fd spare_;
};

}  // namespace smaster::net
