// How the view is drawn: what is wrong, the list or a page, and the keys.
#include <algorithm>
#include <string>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "control/alert_lines.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "watch/view.hpp"

namespace smaster::watch {
namespace {

constexpr Style kBar{.reverse = true};
constexpr Style kAlarm{.bold = true, .reverse = true, .colour = 1};
constexpr Style kTrouble{.bold = true, .colour = 3};
constexpr std::string_view kAnswer = "? y/N ";
/// A server that takes this long for an answer is not gone.
constexpr std::int64_t kPatience = 4'000;

/// A line in full width.
Line bar(const std::string& text, std::size_t width, Style style = kBar) {
  return {{padded(outlet::terminal(text), width), style}};
}

/// "2000 shards: 2 offline  1998 running", the most severe first.
Line totals(const boost::json::object& stats) {
  Line line;
  std::int64_t all = 0;
  const auto states = control::shard_states();
  const auto* const counts = stats.if_contains("states");
  if (counts == nullptr || !counts->is_object()) return line;
  for (auto state = states.rbegin(); state != states.rend(); ++state) {
    const auto count = static_cast<std::int64_t>(control::number(counts->get_object().if_contains(*state)));
    if (count == 0) continue;
    all += count;
    auto style = state_style(*state);
    style.bold = true;
    line.push_back({std::to_string(count) + ' ' + std::string(*state), style});
    line.push_back({"  "});
  }
  line.insert(line.begin(), {std::to_string(all) + (all == 1 ? " shard: " : " shards: ")});
  return line;
}

/// Cuts a line at the edge of the screen.
Line cut(Line line, std::size_t width) {
  std::size_t left = width;
  for (auto& span : line) {
    if (cells(span.text) > left) span.text = fit(span.text, left);
    left -= std::min(left, cells(span.text));
  }
  return line;
}

}  // namespace

std::vector<std::string> View::troubles(std::int64_t now_ms) const {
  std::vector<std::string> troubles;
  const auto alerts = control::alert_lines(snapshot_->stats, now_ms);
  for (const auto line : split(alerts, '\n')) troubles.emplace_back(line);
  for (auto& sentence : control::server_troubles(snapshot_->stats)) troubles.push_back(std::move(sentence));
  if (!unassigned_.empty()) troubles.push_back(unassigned_);
  return troubles;
}

bool View::gone(std::int64_t now_ms) const {
  return snapshot_ && (!failure_.empty() || now_ms - snapshot_->at_ms > options_.pause.count() + kPatience);
}

void View::draw_alarm(std::vector<Line>& screen, std::int64_t now_ms) const {
  if (!gone(now_ms)) return;
  const auto seconds = std::max<std::int64_t>(0, now_ms - snapshot_->at_ms) / 1'000;
  const auto* const words =
      refused_ && !failure_.empty() ? "THE FIGURES ARE OLD, for " : "NO ANSWER FROM THE SERVER for ";
  screen.push_back(bar(words + std::to_string(seconds) + " s; the figures are of " +
                           control::local_time(snapshot_->at_ms) + (failure_.empty() ? "" : ": " + failure_),
                       width_, kAlarm));
}

void View::draw_head(std::vector<Line>& screen, std::int64_t now_ms) const {
  const auto& stats = snapshot_->stats;
  auto head = totals(stats);
  head.push_back({" " + control::totals_line(stats)});
  screen.push_back(std::move(head));
  const auto troubles = this->troubles(now_ms);
  // A small screen is for the shards.
  const auto room = std::min(troubles.size(), height_ < 8 ? 0 : std::max<std::size_t>(height_ / 4, 4) - 3);
  for (std::size_t i = 0; i < room; ++i) {
    // How many there are more is not to be cut.
    const bool last = i + 1 == room && troubles.size() > room;
    const auto more =
        last ? "  [! shows " + std::to_string(troubles.size() - room) + " more]" : std::string();
    const auto left = width_ - std::min(width_, cells(more));
    screen.push_back({{last ? padded(troubles[i], left) : troubles[i], kTrouble}, {more, kTrouble}});
  }
  if (height_ < 12) return;
  for (const auto& line : {control::identify_line(stats), control::drained_line(stats)}) {
    if (!line.empty()) screen.push_back({{outlet::terminal(line)}});
  }
}

void View::write_alerts(Page& page) const {
  if (!snapshot_) return;
  std::string text = control::totals_line(snapshot_->stats) + "\n\n";
  const auto troubles = this->troubles(snapshot_->at_ms);
  for (const auto& trouble : troubles) text += trouble + '\n';
  if (troubles.empty()) text += "nothing is wrong with the server, and no alert is in force\n";
  for (const auto& line :
       {control::identify_line(snapshot_->stats), control::drained_line(snapshot_->stats)}) {
    if (!line.empty()) text += '\n' + line;
  }
  page.pager.replace(text);
}

Line View::status() const {
  if (!message_.empty()) return bar(message_, width_, {.bold = true, .reverse = true});
  if (pages_.empty()) return bar(list_.place(), width_);
  const auto& page = pages_.back();
  auto words =
      page.pager.empty() && page.run != 0 ? "nothing yet: waiting for the server" : page.pager.place();
  const bool goes_on = page.kind == Page::Kind::logs || page.kind == Page::Kind::events;
  if (page.run != 0 && page.kind != Page::Kind::shard) words += goes_on ? "" : ", still running";
  if (goes_on) words += page.pager.follows() ? ", following" : ", not following";
  if (page.code && *page.code != 0) words += ", ended with exit code " + std::to_string(*page.code);
  if (page.code && *page.code == 0 && page.kind != Page::Kind::shard) words += ", done";
  return bar(words, width_);
}

Line View::keys() const {
  if (question_) {
    const auto room = width_ - std::min(width_, cells(kAnswer));
    return {{fit(outlet::terminal(question_->text), room) + std::string(kAnswer), {.bold = true}}};
  }
  if (prompt_) {
    const auto label = fit(outlet::terminal(prompt_->label), width_ / 2);
    // Of a long text its end is shown, where it is typed.
    auto text = prompt_->text + '_';
    while (cells(label) + cells(text) > width_ && text.size() > 1) {
      text.erase(0, std::max<std::size_t>(utf8_length(text), 1));
    }
    return {{label + text, {.bold = true}}};
  }
  std::string line;
  const auto offer = [&](std::initializer_list<std::string_view> all) {
    for (const auto each : all) {
      if (cells(line) + cells(each) + 2 > width_) break;
      line.append(line.empty() ? "" : "  ").append(each);
    }
  };
  if (pages_.empty()) {
    offer({"q quit", "? help", "Enter open", "l logs", "e events", "r respawn", "/ filter", "x eval",
           "space mark", "! alerts", "s sort", "f state", ": jump"});
  } else if (pages_.back().targets.empty()) {
    offer({"q back", "/ find", "f follow", "G end", "g top"});
  } else {
    offer({"q back", "? help", "/ find", "f follow", "l logs", "e events", "r respawn", "x eval", "G end",
           "g top"});
  }
  return {{line, {.faint = true}}};
}

std::vector<Line> View::draw(std::int64_t now_ms) {
  std::vector<Line> screen;
  if (!snapshot_) return screen;
  draw_alarm(screen, now_ms);
  if (pages_.empty()) {
    draw_head(screen, now_ms);
  } else {
    screen.push_back(bar(pages_.back().title, width_));
  }
  const auto above = screen.size();
  body_ = height_ - std::min(height_, above + 2);
  if (pages_.empty()) {
    const auto shown = list_.draw(screen, width_, body_, past_, now_ms, options_.utf8);
    past_.keep(shown);
    for (const auto& name : shown) {
      if (past_.asks_for(name)) requests_.push_back({Request::Kind::past, 0, {name}});
    }
  } else {
    pages_.back().pager.draw(screen, width_, body_);
  }
  const bool old = gone(now_ms);
  for (auto line = screen.begin() + static_cast<std::ptrdiff_t>(above); old && line != screen.end(); ++line) {
    for (auto& span : *line) span.style = {.faint = true, .reverse = span.style.reverse};
  }
  screen.push_back(status());
  screen.push_back(keys());
  if (screen.size() > height_) screen.resize(height_);
  for (auto& line : screen) {
    line = cut(std::move(line), width_);
    for (auto& span : line) {
      if (!options_.utf8) span.text = ascii(span.text);
    }
  }
  return screen;
}

}  // namespace smaster::watch
