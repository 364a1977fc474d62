#include "watch/past.hpp"

#include <algorithm>
#include <utility>

#include "control/select.hpp"
#include "json/json.hpp"

namespace smaster::watch {

void Past::remember(const Snapshot& snapshot) {
  const auto oldest = static_cast<double>(snapshot.at_ms - kWindow);
  for (const auto& each : snapshot.shards()) {
    const auto& shard = each.get_object();
    const auto known = samples_.find(std::string(shard.at("id").as_string()));
    const auto* const status = json::object_at(shard, "stats");
    if (known == samples_.end() || status == nullptr) continue;
    auto& samples = known->second;
    const auto sample = control::sample_of(*status);
    if (samples.empty() || sample.time > samples.back().time) samples.push_back(sample);
    std::erase_if(samples, [oldest](const control::Sample& old) { return old.time < oldest; });
  }
  find_oldest();
}

void Past::add(const std::string& name, const boost::json::array& statuses) {
  const auto known = samples_.find(name);
  if (known == samples_.end()) return;
  std::vector<control::Sample> samples;
  for (const auto& status : statuses) {
    if (status.is_object()) samples.push_back(control::sample_of(status.get_object()));
  }
  const auto newest = samples.empty() ? 0 : samples.back().time;
  for (const auto& sample : known->second) {
    if (sample.time > newest) samples.push_back(sample);
  }
  known->second = std::move(samples);
  find_oldest();
}

void Past::find_oldest() {
  oldest_.reset();
  for (const auto& [name, samples] : samples_) {
    if (!samples.empty()) oldest_ = std::min(oldest_.value_or(samples.front().time), samples.front().time);
  }
}

void Past::keep(const std::vector<std::string>& shown) {
  if (samples_.size() <= kMost) return;
  std::erase_if(samples_, [&](const auto& entry) {
    return std::find(shown.begin(), shown.end(), entry.first) == shown.end();
  });
}

std::string Past::drawn(const std::string& name, double control::Sample::*which, std::size_t width,
                        std::int64_t now_ms, bool utf8) const {
  std::vector<control::Point> points;
  if (const auto known = samples_.find(name); known != samples_.end()) {
    for (const auto& sample : known->second) points.push_back({sample.time, sample.*which});
  }
  return control::sparkline(points, {oldest_.value_or(0), static_cast<double>(now_ms)}, width, utf8);
}

}  // namespace smaster::watch
