#include "wire/join/join_line.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace smaster::wire {
namespace {

constexpr std::string_view kBegin = "smaster-1";
constexpr std::string_view kFamily = "smaster-";
constexpr std::size_t kFingerprint = 43;  ///< characters of 32 bytes in base64
constexpr std::size_t kShortestId = 8;
constexpr std::size_t kShortestSecret = 22;  ///< characters of 128 bits in base64
constexpr std::size_t kLongest = 4'096;

bool is_url_base64(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_server(std::string_view text) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

std::string to_text(const JoinLine& line) {
  std::string text(kBegin);
  for (const auto& server : line.servers) text += ',' + server;
  return text + ',' + line.fingerprint + ',' + line.token + ',' + line.secret;
}

Result<JoinLine> parse_join_line(std::string_view text) {
  const auto wrong = [](const std::string& what) {
    return fail(ErrorKind::bad_data,
                "this is no line of \"smaster join-token\": " + what + "; copy the whole line");
  };
  text = trim(text);
  if (text.size() > kLongest) return wrong("it is longer than 4,096 bytes");
  const auto parts = split(text, ',');
  if (parts.empty() || parts.front() != kBegin) {
    if (!parts.empty() && parts.front().starts_with(kFamily) && parts.front().size() <= 12) {
      return fail(ErrorKind::bad_data,
                  "the line begins with \"" + std::string(parts.front()) +
                      "\", which this version does not know; install the server's version");
    }
    return wrong("it does not begin with \"smaster-1,\"");
  }
  if (parts.size() < 5) return wrong("its end is missing");
  if (parts.size() > 4 + kMostJoinServers) return wrong("it names more than 16 servers");
  JoinLine line;
  for (auto at = parts.begin() + 1; at != parts.end() - 3; ++at) {
    if (!is_server(*at)) return wrong("a server is not of the form http://HOST:PORT or https://HOST:PORT");
    line.servers.emplace_back(*at);
  }
  line.fingerprint = *(parts.end() - 3);
  line.token = *(parts.end() - 2);
  line.secret = parts.back();
  if (line.fingerprint.size() != kFingerprint || !is_url_base64(line.fingerprint)) {
    return wrong("the fingerprint has 43 letters, digits, - and _");
  }
  if (line.token.size() < kShortestId || !is_url_base64(line.token))
    return wrong("the token's id is cut off");
  if (line.secret.size() < kShortestSecret || !is_url_base64(line.secret))
    return wrong("the token is cut off");
  return line;
}

}  // namespace smaster::wire
