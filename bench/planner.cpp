// planner-bench: what one planning step costs when one in a hundred shards changed, beside one that looks at
// everybody, as a server does that was just started. Medians of the steps, in microseconds of this thread's
// CPU.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#include "fleet/planner.hpp"
#include "measure.hpp"

namespace {

using namespace smaster;
using bench::cpu_us;
using bench::numbered;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(int count, int changed) {
  constexpr int kSteps = 101;
  fleet::PlanSettings settings;
  settings.goal = ShardCount{count};
  settings.auto_generate = false;
  auto now = from_unix_ms(1'000'000'000'000);
  settings.patience.since = now;
  std::deque<fleet::Seat> seats;
  fleet::Planner planner(settings);
  for (int i = 0; i < count + count / 10; ++i) {
    auto& seat = seats.emplace_back(fleet::ShardInfo(numbered(i)));
    // Nobody falls silent meanwhile.
    seat.info.last_seen = seat.info.last_heartbeat = now + Millis{86'400'000};
    seat.connected = true;
    planner.add(seat);
  }
  const auto begin = cpu_us(CLOCK_THREAD_CPUTIME_ID);
  (void)planner.step(now);
  const auto first = cpu_us(CLOCK_THREAD_CPUTIME_ID) - begin;
  // In turn some shards go and stop for good, so that spares take their ids, and come back as spares.
  std::vector<double> steps;
  std::size_t moved = 0;
  for (int step = 0; step < kSteps; ++step) {
    now += Millis{5'000};
    std::vector<fleet::Seat*> touched;
    for (int i = 0; i < changed; ++i) {
      auto& seat = seats[static_cast<std::size_t>((step * changed + i) % static_cast<int>(seats.size()))];
      touched.push_back(&seat);
      seat.info.may_run.clear();
      seat.info.goal = {};
      seat.info.current = {};
    }
    const auto start = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    for (auto* const seat : touched) planner.changed(*seat);
    moved += planner.step(now).changes.size();
    steps.push_back(cpu_us(CLOCK_THREAD_CPUTIME_ID) - start);
  }
  std::printf("%8d %9d %16.1f %18.2f %20.1f %14zu\n", count, changed, median(steps), median(steps) / changed,
              first, moved);
}

}  // namespace

int main() {
  std::printf("%8s %9s %16s %18s %20s %14s\n", "shards", "changed", "step, us", "a change, us",
              "from nothing, us", "ids given");
  for (const int count : {100, 1'000, 10'000, 100'000}) measure(count, count / 100);
  for (const int count : {1'000, 10'000, 100'000}) measure(count, 10);
}
