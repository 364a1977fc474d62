#include "sql/rows.hpp"

#include <botan/base64.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::sql {
namespace {

constexpr std::int64_t kMostExact = 1ll << 53;  ///< JavaScript's Number.MAX_SAFE_INTEGER + 1

}  // namespace

std::string placeholder(std::size_t number) {
  return R"({"_placeholder":true,"num":)" + std::to_string(number) + '}';
}

Error too_large() {
  return fail(ErrorKind::bad_data,
              "the result is larger than " + std::to_string(kMaxResult >> 20) + " MiB; ask for less of it");
}

std::string Outcome::with_base64() const {
  std::string text;
  std::size_t from = 0;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    text.append(json, from, places[i] - from);
    const auto& blob = blobs[i];
    text += '"' + Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(blob.data()), blob.size()) + '"';
    from = places[i] + placeholder(i).size();
  }
  return text.append(json, from);
}

Rows::Rows(const Limits& limits, std::vector<std::string> columns) : max_rows_(limits.max_rows) {
  for (auto at = columns.begin(); at != columns.end(); ++at) {
    const bool last = std::find(at + 1, columns.end(), *at) == columns.end();
    keys_.push_back(last && fits(at->size()) ? json::quote(*at) + ':' : std::string());
  }
  outcome_.columns = std::move(columns);
  outcome_.json = "[";
}

void Rows::begin() {
  outcome_.json += rows_ > 0 ? ",{" : "{";
  column_ = 0;
  first_ = true;
}

void Rows::put(std::string_view json) {
  const auto& key = keys_.at(column_++);
  if (key.empty() || too_large_) return;
  if (outcome_.json.size() + key.size() + json.size() > kMaxResult) {
    too_large_ = true;
    return;
  }
  if (!std::exchange(first_, false)) outcome_.json += ',';
  outcome_.json += key;
  outcome_.json += json;
}

bool Rows::fits(std::size_t bytes) {
  bytes_ += bytes;
  too_large_ = too_large_ || bytes_ > kMaxResult;
  return !too_large_;
}

void Rows::null() { put("null"); }

void Rows::boolean(bool value) { put(value ? "true" : "false"); }

void Rows::integer(std::int64_t value) {
  const auto digits = std::to_string(value);
  put(value > -kMostExact && value < kMostExact ? digits : '"' + digits + '"');
}

void Rows::unsigned_integer(std::uint64_t value) {
  const auto digits = std::to_string(value);
  put(value < static_cast<std::uint64_t>(kMostExact) ? digits : '"' + digits + '"');
}

void Rows::real(double value) {
  // JSON has no such numbers, and null would mean SQL's NULL.
  if (std::isnan(value)) return put("\"NaN\"");
  if (std::isinf(value)) return put(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  put(json::number(value));
}

void Rows::number(std::string_view digits) {
  if (const auto whole = parse_int<std::int64_t>(digits)) return integer(*whole);
  if (const auto whole = parse_int<std::uint64_t>(digits)) return unsigned_integer(*whole);
  put(json::valid(digits) ? std::string(digits) : json::quote(digits));
}

void Rows::text(std::string_view value) { put(fits(value.size()) ? json::quote(value) : ""); }

void Rows::blob(std::string_view value) {
  if (keys_.at(column_).empty() || !fits(value.size())) return put("");
  const auto place = placeholder(outcome_.blobs.size());
  put(place);
  if (too_large_) return;
  outcome_.places.push_back(outcome_.json.size() - place.size());
  outcome_.blobs.emplace_back(value);
}

void Rows::json(std::string_view value) {
  if (!fits(value.size())) return put("");
  // Validated at the depth that it has in the whole result, which must be valid, too.
  put(json::valid("[[" + std::string(value) + "]]") ? std::string(value) : json::quote(value));
}

Result<void> Rows::end() {
  outcome_.json += '}';
  if (++rows_ > max_rows_) {
    return fail(ErrorKind::bad_data, "the result has more than " + std::to_string(max_rows_) +
                                         " rows ([database] max_rows); ask for fewer, with LIMIT");
  }
  return too_large_ ? Result<void>(too_large()) : Result<void>();
}

Outcome Rows::take() {
  outcome_.json += ']';
  return std::move(outcome_);
}

Outcome without_rows(std::uint64_t affected, std::uint64_t insert_id, std::uint64_t changed) {
  const auto exact = [](std::uint64_t value) {
    const auto digits = std::to_string(value);
    return value < static_cast<std::uint64_t>(kMostExact) ? digits : '"' + digits + '"';
  };
  return {{},
          R"({"affectedRows":)" + exact(affected) + R"(,"insertId":)" + exact(insert_id) +
              R"(,"changedRows":)" + exact(changed) + '}',
          {},
          {}};
}

std::string iso_time(std::string_view text, bool utc) {
  constexpr std::size_t kDate = 10;  // "2024-01-02"
  std::string iso(text);
  if (text.size() <= kDate || text[kDate] != ' ' || text.ends_with(" BC")) return iso;
  iso[kDate] = 'T';
  if (!utc) return iso;
  if (iso.ends_with("+00")) iso.resize(iso.size() - 3);
  return iso + 'Z';
}

}  // namespace smaster::sql
