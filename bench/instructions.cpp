// What is done for each message and each plan, many times over, for bench/instructions.js to count its
// instructions under callgrind. Each function of `extern "C"` is one operation, done kTimes times.
#include <deque>
#include <iostream>
#include <string>

#include "fleet/planner.hpp"
#include "measure.hpp"
#include "records/history.hpp"
#include "records/status_text.hpp"
#include "wire/engineio/packet.hpp"
#include "wire/socketio/assembler.hpp"

using namespace smaster;
using bench::numbered;

namespace {

constexpr int kTimes = 1000;
constexpr int kShards = 1000;

/// 1.4 kB, as a shard with eight processors sends it.
std::string status_packet() {
  std::string cpus;
  for (int i = 0; i < 8; ++i) {
    cpus +=
        std::string(i == 0 ? "" : ",") +
        R"({"model":"Intel(R) Xeon(R) CPU @ 2.20GHz","speed":2200,"times":{"user":1234567,"nice":0,"sys":345678,"idle":98765432,"irq":0}})";
  }
  return R"(42["status",{"id":"abcd","isMaster":false,"startTime":1700000000000,"stopTime":0,"goalShardId":3,"currentShardId":3,"goalShardCount":8,"currentShardCount":8,"timestamp":1764000000000,"timeDelta":30012,"messageCountDelta":120,"messageCountTotal":123456,"memHeapUsed":52428800,"memHeapTotal":62914560,"memRSS":94371840,"memExternal":1048576,"cpuLoad":[0.25,0.5,0.125,1,0,0.75,0.0625,0.3],"cpus":[)" +
         cpus + R"(],"ping":42,"storageUsedTotal":1000000,"storageUsedUsers":10000}])";
}

/// As the planner-bench has them: one in a hundred changes between two steps.
struct Fleet {
  Fleet() : planner(settings()) {
    for (int i = 0; i < kShards + kShards / 10; ++i) {
      auto& seat = seats.emplace_back(fleet::ShardInfo(numbered(i)));
      seat.info.last_seen = seat.info.last_heartbeat = now + Millis{86'400'000};
      seat.stage = fleet::Stage::told;
      planner.add(seat);
    }
    (void)planner.step(now);
  }
  fleet::PlanSettings settings() const {
    fleet::PlanSettings settings;
    settings.goal = ShardCount{kShards};
    settings.auto_generate = false;
    settings.patience.since = now;
    return settings;
  }
  Time now = from_unix_ms(1'000'000'000'000);
  std::deque<fleet::Seat> seats;
  fleet::Planner planner;
};

std::size_t done = 0;  ///< so that nothing is left out as useless

}  // namespace

extern "C" {

__attribute__((noinline)) void decode_status(const std::string& packet) {
  socketio::Assembler assembler;
  std::string storage;
  for (int i = 0; i < kTimes; ++i) {
    const auto frame = engineio::decode(packet, storage);
    done += (*assembler.receive(false, frame->data))->packet.arguments.values.size();
  }
}

__attribute__((noinline)) void read_status(const socketio::Packet& packet, fleet::ShardStatus& status) {
  for (int i = 0; i < kTimes; ++i) {
    done += fleet::read_status(packet.arguments.values[1], status, packet.arguments.names) ? 1 : 0;
  }
}

__attribute__((noinline)) void keep_status(const fleet::ShardStatus& status) {
  fleet::History history;
  auto& tail = history.of(numbered(0));
  for (int i = 0; i < kTimes; ++i) history.add(tail, status, from_unix_ms(i));
  done += history.take_unsaved().size();
}

__attribute__((noinline)) void encode_update(const std::string& update) {
  for (int i = 0; i < kTimes; ++i) {
    done += socketio::encode_event("/", "update", std::nullopt, {update}).front().held();
  }
}

__attribute__((noinline)) void encode_eval() {
  const auto payload = socketio::event_payload("evalRequest", {R"("this.guilds.cache.size")"});
  for (int i = 0; i < kTimes; ++i) {
    done += socketio::event_frame(static_cast<socketio::AckId>(i), payload).held();
  }
}

__attribute__((noinline)) void decode_eval_reply() {
  socketio::Assembler assembler;
  std::string storage;
  for (int i = 0; i < kTimes; ++i) {
    const auto frame = engineio::decode(R"(4312345[null,{"guilds":1234,"users":567890}])", storage);
    done += (*assembler.receive(false, frame->data))->packet.arguments.values.size();
  }
}

__attribute__((noinline)) void plan_steps(Fleet& fleet) {
  for (int step = 0; step < kTimes; ++step) {
    fleet.now += Millis{5'000};
    for (int i = 0; i < kShards / 100; ++i) {
      auto& seat = fleet.seats[static_cast<std::size_t>(step * 7 + i) % fleet.seats.size()];
      seat.stage = seat.connected() ? fleet::Stage::away : fleet::Stage::told;
      fleet.planner.changed(seat);
    }
    done += fleet.planner.step(fleet.now).changes.size();
  }
}

}  // extern "C"

int main() {
  const auto packet = status_packet();
  decode_status(packet);
  socketio::Assembler assembler;
  const auto assembled = *assembler.receive(false, std::string_view(packet).substr(1));
  fleet::ShardStatus status;
  read_status(assembled->packet, status);
  keep_status(status);
  encode_update(
      R"({"id":3,"count":8,"master":false,"config":{"botName":"release","nodeArgs":[],"botArgs":[]}})");
  encode_eval();
  decode_eval_reply();
  Fleet fleet;
  plan_steps(fleet);
  std::cout << done << '\n';
}
