// Bytes of a websocket's peer: however they are cut, the same is told, and nothing that is not allowed.
#include "wire/websocket/frames.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using namespace smaster::websocket;

constexpr std::size_t kMost = 300;

std::vector<std::string> told(Role role, std::string bytes, std::size_t piece) {
  FrameReader reader(role, kMost);
  std::vector<std::string> all;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::span<char> some(bytes.data() + at, std::min(piece, bytes.size() - at));
    while (const auto event = reader.next(some)) {
      using Kind = FrameReader::Kind;
      if (event->data.size() > (event->kind == Kind::message ? kMost : kMaxControl)) std::abort();
      if (event->kind == Kind::message && !event->binary && !is_utf8(event->data)) std::abort();
      if (event->kind == Kind::close && event->code != 0 && close_data(event->code).empty()) std::abort();
      all.push_back(std::to_string(static_cast<int>(event->kind)) + (event->binary ? 'b' : 't') +
                    std::to_string(event->code) + std::string(event->data));
    }
    if (!some.empty()) std::abort();
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto role = (data[0] & 1) != 0 ? Role::client : Role::server;
  const std::size_t piece = 1 + data[1] % 64;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (told(role, bytes, std::max<std::size_t>(bytes.size(), 1)) != told(role, bytes, piece)) std::abort();
  return 0;
}
