// What hosts, servers and operators send for joining: what is accepted is written and read as the same.
#include <cstdlib>

#include "wire/join/join_line.hpp"
#include "wire/join/join_messages.hpp"

namespace {

template <class Parse>
void check(Parse parse, std::string_view text) {
  const auto first = parse(text);
  if (!first) return;
  const auto written = smaster::wire::to_text(*first);
  const auto second = parse(written);
  if (!second || smaster::wire::to_text(*second) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(smaster::wire::parse_join_line, text);
  check(smaster::wire::parse_sealed, text);
  check(smaster::wire::parse_join_request, text);
  check(smaster::wire::parse_join_answer, text);
  (void)smaster::wire::parse_refusal(text);
  return 0;
}
