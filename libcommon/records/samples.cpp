#include "records/samples.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>

namespace smaster::fleet {
namespace {

/// Calls visit(field) for every integer of a status, in the order of the packed format.
template <class Status, class Visit>
void for_each_number(Status& s, Visit visit) {
  visit(s.timestamp);
  visit(s.start_time);
  visit(s.stop_time);
  visit(s.goal);
  visit(s.current);
  visit(s.goal.count);
  visit(s.current.count);
  visit(s.time_delta);
  visit(s.message_count_delta);
  visit(s.message_count_total);
  visit(s.mem_heap_used);
  visit(s.mem_heap_total);
  visit(s.mem_rss);
  visit(s.mem_external);
  visit(s.storage_used_total);
  visit(s.storage_used_users);
}

/// The same for the gateway's figures.
template <class Gateway, class Visit>
void for_each_figure(Gateway& g, Visit visit) {
  visit(g.code);
  visit(g.acks_missed);
  visit(g.guilds);
  visit(g.logins);
  visit(g.resumes);
  visit(g.loop_delay);
}

std::int64_t to_int(Time value) { return to_unix_ms(value); }
std::int64_t to_int(const Assignment& value) { return value.first().value; }
std::int64_t to_int(ShardCount value) { return value.value; }
std::int64_t to_int(double value) {
  constexpr double kLimit = 9.0e18;
  if (!std::isfinite(value) || std::abs(value) >= kLimit) return 0;
  // Nearly all are whole numbers, for which llround takes as long as the rest of a sample.
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) == value ? whole : std::llround(value);
}
void from_int(std::int64_t raw, Time& out) { out = from_unix_ms(raw); }
void from_int(std::int64_t raw, Assignment& out) {
  out = Assignment(ShardId{static_cast<std::int32_t>(raw)}, out.count);
}
void from_int(std::int64_t raw, ShardCount& out) { out.value = static_cast<std::int32_t>(raw); }
void from_int(std::int64_t raw, double& out) { out = static_cast<double>(raw); }

/// Wrapping arithmetic: differences cannot overflow.
std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

/// Zigzag and varint encoding (7 bits per byte): small numbers of either sign are short.
void put_varint(std::string& out, std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  char raw[10];
  std::size_t size = 0;
  for (; bits >= 0x80; bits >>= 7) raw[size++] = static_cast<char>(bits | 0x80);
  raw[size++] = static_cast<char>(bits);
  out.append(raw, size);
}

void put_float(std::string& out, double value) {
  const auto narrow = static_cast<float>(value);
  char raw[sizeof narrow];
  std::memcpy(raw, &narrow, sizeof narrow);
  out.append(raw, sizeof raw);
}

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  std::int64_t varint() {
    std::uint64_t bits = 0;
    for (unsigned shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
    }
    good_ = false;
    return 0;
  }

  double number() {
    float narrow = 0;
    if (in_.size() < sizeof narrow) {
      good_ = false;
      return 0;
    }
    std::memcpy(&narrow, in_.data(), sizeof narrow);
    in_.remove_prefix(sizeof narrow);
    return static_cast<double>(narrow);
  }

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::size_t left() const { return in_.size(); }

 private:
  std::string_view in_;
  bool good_ = true;
};

}  // namespace

std::optional<GatewaySample> gateway_sample(const ShardStatus& status, Gateway standing) {
  if (standing == Gateway::unknown || !status.bot || status.bot->gateways.empty()) return std::nullopt;
  const auto& report = status.bot->gateways.front();
  return GatewaySample{standing,      report.code,    report.acks_missed, report.guilds,
                       report.logins, report.resumes, report.loop_delay};
}

boost::json::object to_json(const GatewaySample& gateway) {
  boost::json::object object{{"state", to_string(gateway.standing)},
                             {"acksMissed", gateway.acks_missed},
                             {"logins", gateway.logins},
                             {"resumes", gateway.resumes}};
  if (gateway.code != 0) object["code"] = gateway.code;
  if (gateway.guilds >= 0) object["guilds"] = gateway.guilds;
  if (gateway.loop_delay >= 0) object["loopDelay"] = gateway.loop_delay;
  return object;
}

std::optional<SampleBlock> OpenBlock::add(Time at, const ShardStatus& status,
                                          const std::optional<GatewaySample>& gateway) {
  if (!empty()) at = std::max(at, last_ + Millis{1});
  std::optional<SampleBlock> before;
  const auto size = packed_.size();
  pack(at, status, gateway);
  if (size > 0 && packed_.size() > kBytes) {
    packed_.resize(size);
    before = block(true);
    packed_.clear();
    numbers_ = {};
    pack(at, status, gateway);
  }
  if (size == 0 || before) first_ = at;
  last_ = at;
  return before;
}

void OpenBlock::pack(Time at, const ShardStatus& status, const std::optional<GatewaySample>& gateway) {
  std::string& out = packed_;
  std::size_t i = 0;
  const auto put = [&](const auto& field) {
    auto& last = numbers_[i++];
    const auto value = to_int(field);
    put_varint(out, minus(value, last));
    last = value;
  };
  put(at);
  for_each_number(status, put);
  put_float(out, status.ping);
  // A negative count, −1 − n: the gateway's figures follow n loads. Samples of older versions have none.
  const auto loads = static_cast<std::int64_t>(status.cpu_load.size());
  put_varint(out, gateway ? -1 - loads : loads);
  for (const double load : status.cpu_load) put_float(out, load);
  if (!gateway) return;
  put_varint(out, static_cast<std::int64_t>(gateway->standing));
  for_each_figure(*gateway, [&out](std::int64_t figure) { put_varint(out, figure); });
}

std::vector<Sample> unpack(std::string_view packed) {
  std::vector<Sample> samples;
  Reader in(packed);
  std::array<std::int64_t, OpenBlock::kNumbers> numbers{};
  while (in.left() > 0) {
    Sample sample;
    std::size_t i = 0;
    const auto take = [&](auto& field) {
      auto& last = numbers[i++];
      last = plus(last, in.varint());
      from_int(last, field);
    };
    take(sample.at);
    for_each_number(sample.status, take);
    sample.status.ping = in.number();
    const auto count = in.varint();
    const auto loads = count < 0 ? -1 - count : count;
    for (std::int64_t load = 0; load < loads && in.good(); ++load) {
      sample.status.cpu_load.push_back(in.number());
    }
    if (count < 0) {
      const auto standing =
          std::clamp<std::int64_t>(in.varint(), 0, static_cast<std::int64_t>(Gateway::hung));
      sample.gateway.emplace().standing = static_cast<Gateway>(standing);
      for_each_figure(*sample.gateway, [&in](std::int64_t& figure) { figure = in.varint(); });
    }
    if (!in.good()) break;
    samples.push_back(std::move(sample));
  }
  return samples;
}

ShardStatus unpack_lone(std::string_view packed) {
  ShardStatus status;
  Reader in(packed);
  for_each_number(status, [&](auto& field) { from_int(in.varint(), field); });
  status.ping = in.number();
  while (in.left() >= sizeof(float)) status.cpu_load.push_back(in.number());
  return status;
}

std::vector<Sample> merge(const std::vector<SampleBlock>& blocks, Time since) {
  std::vector<Sample> samples;
  for (const auto& block : blocks) {
    auto some = unpack(block.packed);
    samples.insert(samples.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  std::erase_if(samples, [since](const Sample& sample) { return sample.at <= since; });
  std::stable_sort(samples.begin(), samples.end(),
                   [](const Sample& a, const Sample& b) { return a.at < b.at; });
  const auto same = [](const Sample& a, const Sample& b) { return a.at == b.at; };
  samples.erase(std::unique(samples.begin(), samples.end(), same), samples.end());
  return samples;
}

}  // namespace smaster::fleet
