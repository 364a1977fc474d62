// What a SQL worker process that was taken over may send: whatever the server takes for an answer is JSON,
// with its blobs where it says.
#include <cstdint>
#include <cstdlib>

#include "json/json.hpp"
#include "sql/frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace smaster;
  const auto message = sql::decode_message({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  if (!sql::decode_message(sql::encode(*message))) std::abort();
  const auto* const answer = std::get_if<sql::Answer>(&*message);
  if (answer == nullptr || !answer->outcome) return 0;
  if (!json::valid(answer->outcome->json) || !json::valid(answer->outcome->with_base64())) std::abort();
  return 0;
}
