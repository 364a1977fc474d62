// smaster sql: runs a statement on the configured database.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "control/render.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

enum class Format { table, json, csv };

/// The rows as texts, with the column names as the first row.
std::vector<std::vector<std::string>> lines(const bj::object& answer, std::string_view null) {
  std::vector<std::vector<std::string>> table(1);
  for (const auto& column : answer.at("columns").as_array()) table[0].emplace_back(column.as_string());
  for (const auto& row : answer.at("rows").as_array()) {
    auto& line = table.emplace_back();
    for (const auto& column : table[0]) {
      const auto& value = row.as_object().at(column);
      line.push_back(value.is_null()     ? std::string(null)
                     : value.is_string() ? std::string(value.get_string())
                                         : json::serialize(value));
    }
  }
  return table;
}

std::string render(const bj::object& answer, Format format) {
  const bool rows = answer.contains("rows");
  switch (format) {
    case Format::json:
      return json::serialize(rows ? answer.at("rows") : bj::value(answer)) + '\n';
    case Format::csv:
      return rows ? control::csv(lines(answer, "")) : std::string();
    case Format::table:
      break;
  }
  if (rows) return control::render({lines(answer, "NULL")}, tools::look());
  return json::serialize(answer.at("affectedRows")) + " rows affected, insert id " +
         json::serialize(answer.at("insertId")) + '\n';
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool(
      "sql", "Run a statement on the configured database",
      "  smaster sql 'SELECT * FROM guilds LIMIT 10'\n  smaster sql --csv - < report.sql > report.csv");
  std::string statement;
  bool as_json = false;
  bool as_csv = false;
  tool.app.add_option("QUERY", statement, "The statement, or - to read it from stdin")->required();
  auto* const json_flag = tool.app.add_flag("--json", as_json, "The rows as one JSON list");
  tool.app.add_flag("--csv", as_csv, "CSV with a line of names first")->excludes(json_flag);
  tool.add_client_flags(Millis{120'000});

  return tool.run(argc, argv, [&] {
    if (statement == "-") {
      auto input = tools::read_input(statement);
      if (!input) return tool.report(input.error());
      statement = std::move(*input);
    }
    const auto answer =
        tool.client().request("POST", "/v1/sql", json::serialize(bj::object{{"statement", statement}}));
    if (!answer) return tool.report(answer.error());
    const auto value = json::parse(*answer);
    if (!value) return tool.report(value.error());
    const auto format = as_json ? Format::json : as_csv ? Format::csv : Format::table;
    const auto text = render(value->as_object(), format);
    if (format == Format::table) tools::page(text);
    if (format == Format::json) tools::print_json(text);
    if (format == Format::csv) tools::print(text);
    return static_cast<int>(tools::kDone);
  });
}
