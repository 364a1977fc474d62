#include "sql/sql.hpp"

#include "base/text.hpp"
#include "sql/engine.hpp"

namespace smaster::sql {

std::string_view to_string(Access access) {
  switch (access) {
    case Access::none:
      return "none";
    case Access::read:
      return "read";
    case Access::write:
      return "write";
  }
  return "none";
}

Error timed_out(const Limits& limits) {
  return fail(ErrorKind::timed_out, "the statement took longer than " + format_duration(limits.timeout) +
                                        " ([database] statement_timeout) and was stopped");
}

Error open_transaction() {
  return fail(
      ErrorKind::bad_data,
      "the statement left a transaction open, which was rolled back: each request is a transaction of "
      "its own");
}

Result<void> check_url(const std::string& url) {
  const auto engine = make_engine(url);
  return engine ? Result<void>() : engine.error();
}

std::optional<std::filesystem::path> sqlite_file(const std::string& url) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!url.starts_with(kScheme)) return std::nullopt;
  auto file = url.substr(kScheme.size());
  if (file.starts_with("//")) file.erase(0, 2);
  return file.empty() ? std::nullopt : std::optional<std::filesystem::path>(file);
}

Result<std::unique_ptr<Engine>> make_engine(const std::string& url) {
  const auto scheme = url.substr(0, url.find(':'));
  if (const auto file = sqlite_file(url)) return sqlite_engine(*file);
  if (scheme == "postgresql" || scheme == "postgres") return postgresql_engine(url);
  if (scheme == "mysql" || scheme == "mariadb") return mysql_engine(url);
  return fail(ErrorKind::bad_config, "takes sqlite:FILE, postgresql://… or mysql://…");
}

}  // namespace smaster::sql
