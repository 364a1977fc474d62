// Without libFuzzer: runs the target over the inputs of its corpus, a base64 line each.
#include <botan/base64.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  std::ifstream corpus(argv[1]);
  std::size_t count = 0;
  for (std::string line; std::getline(corpus, line); ++count) {
    const auto input = Botan::base64_decode(line);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::cout << count << " inputs\n";
  return count > 0 ? 0 : 66;
}
