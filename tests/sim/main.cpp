// simulator [--runs N] [--first SEED]: runs that many seeds and ends with 1 at the first that breaks an
// invariant. simulator --seed SEED: one run, with all that happens in it.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "sim/simulator.hpp"

int main(int argc, char** argv) {
  CLI::App app("Runs the planner in simulated fleets");
  std::uint64_t runs = 10'000;
  std::uint64_t first = 1;
  std::uint64_t seed = 0;
  app.add_option("--runs", runs, "How many seeds");
  app.add_option("--first", first, "The first one");
  const auto* const one = app.add_option("--seed", seed, "Only this one, with a trace");
  CLI11_PARSE(app, argc, argv);
  if (one->count() > 0) {
    const auto report = smaster::sim::run(seed, true);
    std::printf("%s\n", report.broken.value_or("all invariants held").c_str());
    return report.broken ? 1 : 0;
  }
  std::uint64_t events = 0;
  std::uint64_t bots = 0;
  std::uint64_t parked = 0;
  std::uint64_t logins = 0;
  for (std::uint64_t i = first; i < first + runs; ++i) {
    const auto report = smaster::sim::run(i, false);
    events += report.events;
    bots += report.bots_started;
    parked += report.parked;
    logins += report.logins;
    if (report.broken) {
      std::printf("seed %llu: %s\nreplay: %s --seed %llu\n", static_cast<unsigned long long>(i),
                  report.broken->c_str(), argv[0], static_cast<unsigned long long>(i));
      return 1;
    }
  }
  std::printf(
      "%llu runs, %llu events, %llu bots started, %llu logins asked for, %llu parked: all invariants held\n",
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(events),
      static_cast<unsigned long long>(bots), static_cast<unsigned long long>(logins),
      static_cast<unsigned long long>(parked));
}
