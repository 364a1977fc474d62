// What `smaster doctor` reports: one finding for each check, with what to do about it.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::checks {

/// From the best to the worst.
enum class Verdict { ok, skipped, warn, failed };
[[nodiscard]] std::string_view to_string(Verdict verdict);

/// The result of one check.
struct Finding {
  Verdict verdict = Verdict::ok;
  std::string check;   ///< its name, one word
  std::string found;   ///< a sentence; may contain text of shards
  std::string remedy;  ///< what to do; empty: nothing
};

/// Collects the problems that one check finds. Only the first few are named, the others are counted.
class Check {
 public:
  explicit Check(std::string name) : name_(std::move(name)) {}

  void warn(std::string found, const std::string& remedy) { add(Verdict::warn, std::move(found), remedy); }
  void fail(std::string found, const std::string& remedy) { add(Verdict::failed, std::move(found), remedy); }
  [[nodiscard]] bool well() const { return problems_ == 0; }
  /// `good`: the sentence if there is no problem.
  [[nodiscard]] Finding finding(std::string good) const { return end(Verdict::ok, std::move(good)); }
  /// The same if the check is not possible, for the reason `why`.
  [[nodiscard]] Finding skipped(std::string why) const { return end(Verdict::skipped, std::move(why)); }

 private:
  static constexpr std::size_t kNamed = 5;

  void add(Verdict verdict, std::string found, const std::string& remedy);
  [[nodiscard]] Finding end(Verdict verdict, std::string sentence) const;

  std::string name_;
  Verdict worst_ = Verdict::ok;
  std::vector<std::string> found_;     ///< the first ones
  std::vector<std::string> remedies_;  ///< each once
  std::size_t problems_ = 0;
};

/// Adds a finding. If there is one of the same check, both become one line with the worse verdict.
void add(std::vector<Finding>& findings, Finding finding);

[[nodiscard]] boost::json::object to_json(const Finding& finding);
/// nullopt for an object that is no finding.
[[nodiscard]] std::optional<Finding> read_finding(const boost::json::object& object);
/// One line for people, without its newline.
[[nodiscard]] std::string to_line(const Finding& finding);

}  // namespace smaster::checks
