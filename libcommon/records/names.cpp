#include "records/names.hpp"

#include <string>

namespace smaster::fleet {

ShardName generate_name(const std::function<bool(const ShardName&)>& taken, std::uint64_t random) {
  std::uint64_t possible = 26ull * 26 * 26;
  for (std::size_t length = 3;; ++length, possible *= 26) {
    for (std::uint64_t step = 0; step < possible; ++step) {
      std::uint64_t number = (random + step) % possible;
      std::string text(length, 'a');
      for (char& letter : text) {
        letter = static_cast<char>('a' + number % 26);
        number /= 26;
      }
      auto name = *ShardName::parse(text);
      if (!taken(name)) return name;
    }
  }
}

}  // namespace smaster::fleet
