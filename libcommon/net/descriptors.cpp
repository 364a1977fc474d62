#include "net/descriptors.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "net/clock.hpp"

namespace smaster::net {
namespace {

/// Time since the last refusal after which a share counts as no longer full.
constexpr std::chrono::seconds kQuiet{10};
constexpr std::size_t kMostStrangers = 20'000;  ///< independent of the number of descriptors; each takes 4 kB
constexpr std::size_t kUnlimited = 4'000'000;   ///< used if RLIMIT_NOFILE is unlimited
constexpr std::size_t kMostOwn = 256;
constexpr std::size_t kMostOperators = 256;  ///< on the control socket, and again on the dashboard
constexpr std::size_t kMostFiles = 32;

std::size_t process_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;  // Linux' default
  return std::min<rlim_t>(limit.rlim_cur, kUnlimited);
}

Fd open_spare() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

struct Place::Counts {
  DescriptorLimits limits;
  std::array<std::size_t, kShares> open{};

  [[nodiscard]] std::size_t& of(Share share) { return open[static_cast<std::size_t>(share)]; }
  [[nodiscard]] std::size_t on_port() { return of(Share::strangers) + of(Share::shards); }
  /// True if the share, and the port if the share belongs to it, has room for `more` further connections.
  [[nodiscard]] bool has_room(Share share, std::size_t more) {
    const bool port = share == Share::strangers || share == Share::shards;
    return of(share) < limits.of(share) && (!port || on_port() + more <= limits.port);
  }
};

std::string_view to_string(Share share) {
  switch (share) {
    case Share::strangers:
      return "strangers";
    case Share::shards:
      return "shards";
    case Share::control:
      return "control";
    case Share::dashboard:
      return "dashboard";
  }
  return "";
}

DescriptorLimits share_out(std::size_t total) {
  const auto part = [total](std::size_t divisor, std::size_t least, std::size_t most) {
    return std::clamp(total / divisor, least, most);
  };
  DescriptorLimits limits{};
  limits.total = total;
  limits.own = part(5, 32, kMostOwn);
  limits.files = part(32, 2, kMostFiles);
  const auto operators = part(16, 4, kMostOperators);
  const auto kept = limits.own + 2 * operators;
  limits.port = total > kept + 8 ? total - kept : 8;
  const auto set = [&limits](Share share, std::size_t most) {
    limits.share[static_cast<std::size_t>(share)] = most;
  };
  set(Share::strangers, std::min(limits.port / 2, kMostStrangers));
  // A shard is counted as a stranger until it has joined: keep some slots free for joining.
  set(Share::shards, limits.port - std::clamp<std::size_t>(limits.port / 16, 2, 64));
  set(Share::control, operators);
  set(Share::dashboard, operators);
  return limits;
}

Place& Place::operator=(Place&& other) noexcept {
  std::swap(counts_, other.counts_);
  std::swap(share_, other.share_);
  return *this;
}

bool Place::move_to(Share share) {
  if (!counts_ || share == share_) return true;
  const bool from_port = share_ == Share::strangers || share_ == Share::shards;
  if (!counts_->has_room(share, from_port ? 0 : 1)) return false;
  move_anyway(share);
  return true;
}

void Place::move_anyway(Share share) {
  if (!counts_) return;
  --counts_->of(share_);
  share_ = share;
  ++counts_->of(share_);
}

void Place::release() {
  if (const auto counts = std::exchange(counts_, nullptr)) --counts->of(share_);
}

Descriptors::Descriptors(asio::io_context& context)
    : counts_(std::make_shared<Place::Counts>()), timer_(context.get_executor()), spare_(open_spare()) {
  counts_->limits = share_out(process_limit());
}

Descriptors::~Descriptors() = default;

Place Descriptors::take(Share share) {
  if (!counts_->has_room(share, 1)) return {};
  ++counts_->of(share);
  return {counts_, share};
}

void Descriptors::full(Share share) { begin(static_cast<std::size_t>(share)); }

bool Descriptors::exhausted() {
  begin(kProcess);
  return drop_stranger && drop_stranger();
}

void Descriptors::refuse_next(int listening) {
  spare_ = {};
  const Fd refused(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!spare_) spare_ = open_spare();
}

const DescriptorLimits& Descriptors::limits() const { return counts_->limits; }

std::size_t Descriptors::open(Share share) const { return counts_->of(share); }

std::uint64_t Descriptors::refused(Share share) const {
  return states_[static_cast<std::size_t>(share)].refused;
}

bool Descriptors::is_full(Share share) const { return states_[static_cast<std::size_t>(share)].full; }

std::string Descriptors::trouble() const {
  std::string all;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (!states_[i].full) continue;
    if (!all.empty()) all += "; ";
    all += text(i);
  }
  return all;
}

/// One sentence: what is full, the effect, the remedy.
std::string Descriptors::text(std::size_t which) const {
  const auto& limits = counts_->limits;
  const auto of = " of the " + std::to_string(limits.total) + " descriptors that this process may have";
  const std::string more = "raise the limit (LimitNOFILE= in the unit, ulimit -n)";
  if (which == kProcess) {
    return "there are no descriptors left" + of + ": connections and files are refused; " + more;
  }
  const auto share = static_cast<Share>(which);
  const auto most = std::to_string(limits.of(share));
  switch (share) {
    case Share::strangers:
      return "too many connections that are silent or unfinished (at most " + most + of +
             "): those that were silent for longest are dropped, connected shards are not touched; look who "
             "connects, or " +
             more;
    case Share::shards:
      return "no room for more shards (at most " + most + of + "): they are refused; " + more;
    case Share::control:
      return "too many connections to the control socket (at most " + most + of +
             "): those that were silent for longest are dropped; end commands that run for ever, or " + more;
    case Share::dashboard:
      return "too many connections to the dashboard (at most " + most + of +
             "): those that were silent for longest are dropped; look who connects, or " + more;
  }
  return "";
}

void Descriptors::begin(std::size_t which) {
  auto& state = states_[which];
  ++state.refused;
  state.last = Clock::now();
  if (std::exchange(state.full, true)) return;
  spdlog::error("{}", text(which));
  arm();
}

void Descriptors::arm() {
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const auto now = Clock::now();
    bool any = false;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      auto& state = states_[i];
      if (!state.full) continue;
      if (now - state.last <= kQuiet) {
        any = true;
        continue;
      }
      state.full = false;
      spdlog::info("descriptors: {} again",
                   i == kProcess ? "there are some left"
                                 : "there is room for " + std::string(to_string(static_cast<Share>(i))));
    }
    if (any) arm();
  });
}

}  // namespace smaster::net
