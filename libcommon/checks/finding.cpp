#include "checks/finding.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/outlet.hpp"
#include "json/json.hpp"

namespace smaster::checks {
namespace {

constexpr std::size_t kVerdictColumns = 8;
constexpr std::size_t kCheckColumns = 13;
constexpr std::array<std::pair<Verdict, std::string_view>, 4> kVerdicts{{{Verdict::ok, "ok"},
                                                                         {Verdict::skipped, "skipped"},
                                                                         {Verdict::warn, "warn"},
                                                                         {Verdict::failed, "failed"}}};

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

/// For people: what needs them stands out.
std::string label(Verdict verdict) {
  if (verdict == Verdict::failed) return "FAILED";
  if (verdict == Verdict::warn) return "WARN";
  return std::string(to_string(verdict));
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string cell(text);
  cell.resize(std::max(columns, cell.size() + 1), ' ');
  return cell;
}

}  // namespace

std::string_view to_string(Verdict verdict) { return kVerdicts[static_cast<std::size_t>(verdict)].second; }

void Check::add(Verdict verdict, std::string found, const std::string& remedy) {
  worst_ = std::max(worst_, verdict);
  if (++problems_ > kNamed) return;
  found_.push_back(std::move(found));
  if (std::find(remedies_.begin(), remedies_.end(), remedy) == remedies_.end()) remedies_.push_back(remedy);
}

Finding Check::end(Verdict verdict, std::string sentence) const {
  if (well()) return {verdict, name_, std::move(sentence), {}};
  auto found = joined(found_);
  if (problems_ > kNamed) found += "; and " + std::to_string(problems_ - kNamed) + " more";
  return {worst_, name_, std::move(found), joined(remedies_)};
}

void add(std::vector<Finding>& findings, Finding finding) {
  const auto same = std::find_if(findings.begin(), findings.end(),
                                 [&](const Finding& known) { return known.check == finding.check; });
  if (same == findings.end()) return findings.push_back(std::move(finding));
  const bool known_good = same->remedy.empty();
  if (known_good || finding.remedy.empty()) {
    if (finding.verdict > same->verdict) *same = std::move(finding);
    return;
  }
  same->verdict = std::max(same->verdict, finding.verdict);
  same->found += "; " + finding.found;
  same->remedy += "; " + finding.remedy;
}

boost::json::object to_json(const Finding& finding) {
  return {{"check", finding.check},
          {"verdict", to_string(finding.verdict)},
          {"found", finding.found},
          {"remedy", finding.remedy}};
}

std::optional<Finding> read_finding(const boost::json::object& object) {
  Finding finding;
  std::string verdict;
  json::read(object, "check", finding.check);
  json::read(object, "verdict", verdict);
  json::read(object, "found", finding.found);
  json::read(object, "remedy", finding.remedy);
  const auto* const known = std::find_if(kVerdicts.begin(), kVerdicts.end(),
                                         [&](const auto& entry) { return entry.second == verdict; });
  if (known == kVerdicts.end() || finding.check.empty()) return std::nullopt;
  finding.verdict = known->first;
  return finding;
}

std::string to_line(const Finding& finding) {
  auto line =
      padded(label(finding.verdict), kVerdictColumns) + padded(finding.check, kCheckColumns) + finding.found;
  const bool ended = line.ends_with('.') || line.ends_with('?');
  if (!finding.remedy.empty()) line += (ended ? " To do: " : ". To do: ") + finding.remedy;
  return outlet::terminal(line);
}

}  // namespace smaster::checks
