// history-bench FILE [--fill]: what a day of a thousand shards' statuses costs on disk. Writes it as a server
// does, a block's growth at a time, and reads one shard's day. With --fill it only writes, fast, for
// bench/run to start a server on.
#include <filesystem>
#include <iostream>
#include <string_view>
#include <vector>

#include "json/json.hpp"
#include "measure.hpp"
#include "records/history.hpp"
#include "store/store.hpp"

namespace {

using namespace smaster;
using bench::cpu_us;
using bench::numbered;

constexpr int kShards = 1000;
constexpr int kSamples = 2880;  ///< a day's, 30 s apart
constexpr Millis kInterval{30'000};
constexpr int kFlushes = 600;  ///< seconds of a server's life that are measured

/// Figures that move as a bot's do, on eight cores.
fleet::ShardStatus status_of(int shard, int sample, Time at) {
  auto noise = [seed = static_cast<std::uint64_t>(shard) * 1'000'003 +
                       static_cast<std::uint64_t>(sample)](int size) mutable {
    seed = seed * 6'364'136'223'846'793'005ull + 1'442'695'040'888'963'407ull;
    return static_cast<double>(seed >> 40) / static_cast<double>(1 << 24) * size;
  };
  fleet::ShardStatus status;
  status.timestamp = at - Millis{static_cast<int>(noise(5))};
  status.start_time = from_unix_ms(1'700'000'000'000);
  status.goal = status.current = {ShardId{shard}, ShardCount{kShards}};
  status.time_delta = 30'000 + noise(20);
  status.message_count_delta = 4000 + noise(2000);
  status.message_count_total = 5000.0 * sample + noise(1000);
  status.mem_heap_used = 2e8 + noise(100'000'000);
  status.mem_heap_total = 3.2e8;
  status.mem_rss = 4e8 + noise(50'000'000);
  status.mem_external = 5e6 + noise(100'000);
  status.ping = 40 + noise(30);
  for (int core = 0; core < 8; ++core) status.cpu_load.push_back(noise(1));
  return status;
}

[[noreturn]] void give_up(const Error& error) {
  std::cerr << error.message << '\n';
  std::exit(74);
}

void must(const Result<void>& result) {
  if (!result) give_up(result.error());
}

/// The whole day, a shard after the other in turns of a block, as they come to lie on a server's disk.
void fill(store::HistoryStore& store, Time begin) {
  fleet::History history;
  for (int sample = 0; sample < kSamples; ++sample) {
    const auto at = begin + sample * kInterval;
    for (int shard = 0; shard < kShards; ++shard) {
      history.add(history.of(numbered(shard)), status_of(shard, sample, at), at);
    }
    if (sample % 10 == 9 || sample == kSamples - 1)
      must(store.save_history(history.take_unsaved(), begin - kInterval));
  }
}

/// What a server does with it each second, for ten minutes; in microseconds of CPU a second.
double flush_for_a_while(store::HistoryStore& store, Time begin) {
  fleet::History history;
  const auto before = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
  int next = 0;
  for (int second = 0; second < kFlushes; ++second) {
    const auto at = begin + Millis{second * 1000};
    for (; next < (second + 1) * kShards / 30; ++next) {
      const int shard = next % kShards;
      history.add(history.of(numbered(shard)), status_of(shard, next / kShards, at), at);
    }
    must(store.save_history(history.take_unsaved(), begin - kSamples * kInterval));
  }
  return (cpu_us(CLOCK_PROCESS_CPUTIME_ID) - before) / kFlushes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "history-bench FILE [--fill]\n";
    return 64;
  }
  const std::filesystem::path file = argv[1];
  auto store = store::open_sqlite(file);
  if (!store) give_up(store.error());
  const auto now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
  const auto begin = now - kSamples * kInterval;
  fill(**store, begin);
  if (argc > 2) return 0;
  (*store).reset();
  const auto bytes = std::filesystem::file_size(file);

  store = store::open_sqlite(file);
  std::vector<double> reads;
  for (int shard = 0; shard < 20; ++shard) {
    const auto before = std::chrono::steady_clock::now();
    const auto blocks = (*store)->load_history(numbered(shard * 49), begin - kInterval);
    if (!blocks) give_up(blocks.error());
    const auto samples = fleet::merge(*blocks, begin - kInterval);
    std::string text;
    for (const auto& sample : samples) text += json::serialize(fleet::to_json(sample.status));
    if (samples.size() != kSamples) give_up(fail(ErrorKind::internal, "samples are missing"));
    reads.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count());
  }
  std::sort(reads.begin(), reads.end());
  std::cout << "{\"bytes\":" << bytes << ",\"flush_us\":" << flush_for_a_while(**store, now)
            << ",\"read_ms\":" << reads[reads.size() / 2] << ",\"worst_read_ms\":" << reads.back() << "}\n";
}
