#include "watch/view.hpp"

#include <algorithm>
#include <utility>

#include "control/select.hpp"
#include "watch/keys.hpp"

namespace smaster::watch {
namespace {

constexpr std::size_t kMostPages = 8;
constexpr std::size_t kLongestPrompt = 4'000;  ///< bytes
constexpr char32_t kCtrlU = 0x15;
constexpr char32_t kDelete = 0x7f;

std::vector<Target> with_ids(std::vector<Target> targets) {
  std::erase_if(targets, [](const Target& target) { return target.ids.empty(); });
  return targets;
}

}  // namespace

View::View(Options options) : options_(std::move(options)), list_(options_.sort, options_.reverse) {}

void View::resize(std::size_t width, std::size_t height) {
  width_ = width;
  height_ = height;
}

void View::update(Snapshot snapshot) {
  snapshot_ = std::make_shared<const Snapshot>(std::move(snapshot));
  unassigned_ = unassigned_ids(*snapshot_);
  failure_.clear();
  past_.remember(*snapshot_);
  list_.update(snapshot_);
  if (pages_.empty()) return;
  auto& page = pages_.back();
  if (page.kind == Page::Kind::alerts) write_alerts(page);
  // A shard's page follows the shard.
  if (page.kind == Page::Kind::shard && page.run == 0) start(page);
}

View::Page* View::page_of(int run) {
  const auto found =
      std::find_if(pages_.begin(), pages_.end(), [run](const Page& page) { return page.run == run; });
  return found == pages_.end() ? nullptr : &*found;
}

void View::output(int run, std::string_view bytes) {
  auto* const page = page_of(run);
  if (page == nullptr) return;
  if (page->kind != Page::Kind::shard) return page->pager.append(bytes);
  if (page->fresh.size() < Pager::kMostBytes) page->fresh += bytes;
}

void View::ended(int run, int code) {
  auto* const page = page_of(run);
  if (page == nullptr) return;
  page->run = 0;
  page->code = code;
  if (page->kind == Page::Kind::shard) {
    // Without a server the figures of before stay.
    const auto text = std::exchange(page->fresh, {});
    if (code == 0 || page->pager.empty()) page->pager.replace(text);
  } else {
    page->pager.finish();
  }
}

void View::key(char32_t key) {
  if (key == kOther) return;
  message_.clear();
  if (question_) return answer(key);
  if (prompt_) return type(key);
  pages_.empty() ? list_key(key) : page_key(key);
}

void View::answer(char32_t key) {
  auto question = std::move(*question_);
  question_.reset();
  if (key == 'y' || key == 'Y') return open(std::move(question.page));
  message_ = "nothing was done";
}

void View::type(char32_t key) {
  auto& text = prompt_->text;
  switch (key) {
    case kEnter:
    case '\n':
    case '\r':
      return typed();
    case kEscape:
      if (prompt_->kind == Prompt::Kind::filter) (void)list_.filter(prompt_->before);
      if (prompt_->kind == Prompt::Kind::find) pages_.back().pager.find({});
      prompt_.reset();
      return;
    case kBackspace:
    case kDelete:
    case '\b':
      remove_last(text);
      break;
    case kCtrlU:
      text.clear();
      break;
    default:
      if (key < ' ' || key >= kUp || text.size() >= kLongestPrompt) return;
      append(text, key);
  }
  // Words are looked for at once; a condition is none before it is complete.
  if (prompt_->kind == Prompt::Kind::filter && !ShardList::is_condition(text)) (void)list_.filter(text);
  if (prompt_->kind == Prompt::Kind::find) pages_.back().pager.find(text);
}

void View::typed() {
  const auto prompt = std::move(*prompt_);
  prompt_.reset();
  Result<void> done;
  switch (prompt.kind) {
    case Prompt::Kind::find:
      return pages_.back().pager.find(prompt.text);
    case Prompt::Kind::filter:
      done = list_.filter(prompt.text);
      break;
    case Prompt::Kind::jump:
      if (prompt.text == "q") quit_ = true;
      if (!prompt.text.empty() && !quit_) done = list_.jump(prompt.text);
      break;
    case Prompt::Kind::eval:
      return eval(prompt.text, prompt.targets);
  }
  if (done) return;
  message_ = done.error().message;
  if (prompt.kind == Prompt::Kind::filter) (void)list_.filter(prompt.before);
}

void View::list_key(char32_t key) {
  const auto rows = body_ - std::min<std::size_t>(body_, 1);
  if (list_.key(key, rows) || command(key)) return;
  switch (key) {
    case 'q':
      quit_ = true;
      return;
    case kEnter:
    case '\n':
    case '\r':
      return open_shard();
    case kEscape:
      if (!list_.clear_marks()) (void)list_.filter(std::string());
      return;
    case '/':
      prompt_ = Prompt{Prompt::Kind::filter, "filter: ", {}, list_.filter()};
      return;
    case ':':
      prompt_ = Prompt{Prompt::Kind::jump, "shard id or name: "};
      return;
    case ' ':
      return list_.mark();
    case 'a':
      return list_.mark_all();
    case 's':
      return list_.next_sort();
    case 'R':
      return list_.reverse();
    case 'f':
      return list_.next_state();
    default:
      return;
  }
}

void View::page_key(char32_t key) {
  auto& page = pages_.back();
  if (key == kEscape && page.pager.finds()) return page.pager.find({});
  if (key == 'q' || key == kEscape || key == kBackspace) return close();
  if (key == 'f') {
    // A command that has ended, as with the server, is started again.
    const bool goes_on = page.kind == Page::Kind::logs || page.kind == Page::Kind::events;
    const bool again = goes_on && page.run == 0;
    page.pager.follow(again || !page.pager.follows());
    if (again) {
      page.pager.replace({});
      start(page);
    }
    return;
  }
  if (key == '/') {
    prompt_ = Prompt{Prompt::Kind::find, "only lines with: "};
    return;
  }
  if (!page.pager.key(key, body_)) (void)command(key);
}

bool View::command(char32_t key) {
  switch (key) {
    case 'l':
      return open_logs(), true;
    case 'e':
      return open_events(), true;
    case 'E':
      return open({Page::Kind::events,
                   "events of the fleet",
                   {"events", "--follow", "--lines", "1000"},
                   {},
                   Pager(true)}),
             true;
    case 'r':
      return ask_respawn(), true;
    case 'x':
      return ask_eval(), true;
    case '!': {
      Page page{Page::Kind::alerts, "what is wrong", {}, {}, Pager(false)};
      write_alerts(page);
      return open(std::move(page)), true;
    }
    case '?':
    case 'h': {
      Page page{Page::Kind::help, "keys", {}, {}, Pager(false)};
      page.pager.replace(help_text());
      return open(std::move(page)), true;
    }
    default:
      return false;
  }
}

std::vector<Target> View::targets() const {
  if (pages_.empty()) return list_.targets();
  return pages_.back().targets;
}

void View::open(Page page) {
  // The same page once more would only hide itself.
  if (!pages_.empty() && pages_.back().title == page.title) close();
  if (pages_.size() >= kMostPages) {
    message_ = "too many pages are open; q closes one";
    return;
  }
  pages_.push_back(std::move(page));
  if (!pages_.back().words.empty()) start(pages_.back());
}

void View::start(Page& page) {
  page.run = ++last_run_;
  page.code.reset();
  requests_.push_back({Request::Kind::run, page.run, page.words});
}

void View::close() {
  if (const auto run = pages_.back().run; run != 0) requests_.push_back({Request::Kind::stop, run});
  pages_.pop_back();
}

void View::open_shard() {
  const auto target = list_.current();
  if (!target) return;
  open({Page::Kind::shard, describe({*target}), {"shard", target->name}, {*target}, Pager(false)});
}

void View::open_logs() {
  const auto chosen = targets();
  if (chosen.empty()) return;
  const auto ids = id_list(chosen);
  if (ids.empty()) {
    message_ = describe(chosen) + (chosen.size() == 1 ? " has" : " have") +
               " no shard id, and so no bot that prints";
    return;
  }
  open({Page::Kind::logs,
        "logs of " + describe(chosen),
        {"logs", "--follow", "--lines", "500", "--shard", ids},
        chosen,
        Pager(true)});
}

void View::open_events() {
  const auto chosen = targets();
  if (chosen.empty()) return;
  // The events of several would be those of all: the command knows one shard.
  const auto& target = chosen.front();
  open({Page::Kind::events,
        "events of " + describe({target}),
        {"events", "--follow", "--lines", "1000", "--shard", target.name},
        {target},
        Pager(true)});
}

void View::ask_respawn() {
  const auto all = targets();
  const auto chosen = with_ids(all);
  if (all.empty()) return;
  if (chosen.empty()) {
    message_ =
        describe(all) + (all.size() == 1 ? " has" : " have") + " no shard id, and so no bot to respawn";
    return;
  }
  const auto hidden = pages_.empty() ? list_.hidden_marks() : 0;
  const auto skipped = all.size() - chosen.size();
  question_ = Question{
      "respawn " + describe(chosen) +
          (hidden > 0 ? " (" + std::to_string(hidden) + " of the marked ones are hidden by the filter)"
                      : "") +
          (skipped > 0 ? " (" + std::to_string(skipped) + " without an id are left out)" : ""),
      {Page::Kind::respawn,
       "respawn of " + describe(chosen),
       {"respawn", "--wait", "--shard", id_list(chosen)},
       chosen,
       Pager(true)}};
}

void View::ask_eval() {
  auto chosen = with_ids(targets());
  if (chosen.empty()) {
    message_ = "no shard with an id is chosen: none can run a script";
    return;
  }
  prompt_ = Prompt{Prompt::Kind::eval, "eval on " + describe(chosen) + ": ", {}, {}, std::move(chosen)};
}

void View::eval(const std::string& script, std::vector<Target> chosen) {
  if (script.empty()) return;
  Page page{Page::Kind::eval,
            "eval on " + describe(chosen) + ": " + script,
            {"eval", "--shard", id_list(chosen), "--", script},
            std::move(chosen),
            Pager(false)};
  const auto& shards = snapshot_->shards();
  const auto all = std::count_if(shards.begin(), shards.end(), [](const auto& shard) {
    return control::ids_of(shard.get_object()).front() >= 0;
  });
  if (all > 1 && std::ssize(page.targets) == all) {
    question_ =
        Question{"eval on all " + std::to_string(all) + " shards: " + script + "  Run it", std::move(page)};
    return;
  }
  open(std::move(page));
}

}  // namespace smaster::watch
