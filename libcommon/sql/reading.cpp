#include "sql/reading.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

namespace smaster::sql {
namespace {

constexpr std::array<std::string_view, 8> kQueries{"SELECT",   "WITH", "SHOW",   "EXPLAIN",
                                                   "DESCRIBE", "DESC", "VALUES", "TABLE"};
/// `SELECT … INTO OUTFILE` writes a file, which no transaction prevents.
constexpr std::array<std::string_view, 2> kFileWrites{"OUTFILE", "DUMPFILE"};

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

Error no_query() {
  return fail(
      ErrorKind::not_permitted,
      "with read access ([database] shard_access) a statement begins with SELECT, WITH, SHOW, EXPLAIN, "
      "DESCRIBE, VALUES or TABLE");
}

/// Skips spaces, opening parentheses and plain comments. Databases differ on nested comments and comments
/// with code (`/*! … */`): a statement that starts with one is rejected.
Result<std::string_view> from_first_word(std::string_view text) {
  while (true) {
    const auto word = text.find_first_not_of(" \t\r\n\f\v(");
    text.remove_prefix(std::min(word, text.size()));
    std::size_t end = 0;
    if (text.starts_with("--")) {
      end = text.find('\n');
    } else if (text.starts_with("/*")) {
      end = text.find("*/");
      const auto inside = text.substr(2, end == std::string_view::npos ? end : end - 2);
      if (end == std::string_view::npos || inside.starts_with('!') || inside.starts_with("M!") ||
          inside.find("/*") != std::string_view::npos) {
        return no_query();
      }
      ++end;
    } else {
      return text;
    }
    if (end == std::string_view::npos) return no_query();
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<void> check_reads(std::string_view statement) {
  const auto text = from_first_word(statement);
  if (!text) return text.error();
  const auto end = std::find_if_not(text->begin(), text->end(),
                                    [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  const auto word = upper({text->begin(), end});
  if (std::find(kQueries.begin(), kQueries.end(), word) == kQueries.end()) return no_query();
  const auto all = upper(*text);
  for (const auto write : kFileWrites) {
    if (all.find(write) != std::string::npos) {
      return fail(
          ErrorKind::not_permitted,
          "with read access ([database] shard_access) a statement may not contain " + std::string(write));
    }
  }
  return {};
}

Result<void> check_no_xa(std::string_view statement) {
  constexpr std::array<std::string_view, 6> kCommands{"START",   "BEGIN",  "END",
                                                      "PREPARE", "COMMIT", "ROLLBACK"};
  std::string before;
  std::string word;
  const auto text = upper(statement);
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const char c = at < text.size() ? text[at] : ' ';
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') {
      word += c;
      continue;
    }
    if (before == "XA" && std::find(kCommands.begin(), kCommands.end(), word) != kCommands.end()) {
      return fail(ErrorKind::not_permitted,
                  "XA transactions are not possible here: each request is a transaction of its own");
    }
    if (!word.empty()) before = std::exchange(word, {});
    const std::string_view rest = std::string_view(text).substr(std::min(at, text.size()));
    if (rest.starts_with("/*!") || rest.starts_with("/*M!")) {  // code, after a version
      at = std::min(text.find_first_not_of("0123456789", text.find('!', at) + 1), text.size()) - 1;
      before.clear();
    } else if (rest.starts_with("/*")) {
      at = std::min(text.find("*/", at + 2), text.size() - 1) + 1;
    } else if (rest.starts_with("-- ") || c == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (c == '\'' || c == '"' || c == '`') {
      before.clear();
      for (++at; at < text.size() && text[at] != c; ++at) at += text[at] == '\\' && c != '`' ? 1 : 0;
    } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      before.clear();
    }
  }
  return {};
}

}  // namespace smaster::sql
