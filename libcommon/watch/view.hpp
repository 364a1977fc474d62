// The live view of the fleet: keys, answers of the server and output of commands go in; lines for the screen
// and requests come out. It knows no terminal and no server.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "watch/pager.hpp"
#include "watch/past.hpp"
#include "watch/shard_list.hpp"
#include "watch/snapshot.hpp"
#include "watch/text.hpp"

namespace smaster::watch {

struct Options {
  Millis pause;  ///< between two snapshots
  std::string sort;
  bool reverse = false;
  bool utf8 = true;
};

/// What the view needs from outside.
struct Request {
  enum class Kind {
    run,   ///< `smaster WORDS`, whose output is passed to View::output
    stop,  ///< that command
    past,  ///< the history of the shard named by the first word, for View::past
  };
  Kind kind{};
  int run = 0;  ///< identifies the command
  std::vector<std::string> words{};
};

class View {
 public:
  explicit View(Options options);

  void resize(std::size_t width, std::size_t height);
  /// The server has answered.
  void update(Snapshot snapshot);
  /// It has not; the figures stay.
  /// `answered`: by the server, which refused.
  void failed(std::string why, bool answered) {
    failure_ = std::move(why);
    refused_ = answered;
  }
  void past(const std::string& name, const boost::json::array& statuses) { past_.add(name, statuses); }
  /// A command has printed something, or has ended.
  void output(int run, std::string_view bytes);
  void ended(int run, int code);

  /// A character or a `Key`.
  void key(char32_t key);
  [[nodiscard]] bool quit() const { return quit_; }
  /// The lines of the screen, from the top.
  [[nodiscard]] std::vector<Line> draw(std::int64_t now_ms);
  /// The requests since the last call.
  [[nodiscard]] std::vector<Request> requests() { return std::exchange(requests_, {}); }

 private:
  /// A text over the list.
  struct Page {
    enum class Kind { help, alerts, shard, logs, events, eval, respawn };
    Kind kind;
    std::string title;
    std::vector<std::string> words;  ///< of its command; empty: it has none
    std::vector<Target> targets;     ///< the shards that it is about
    Pager pager;
    int run = 0;  ///< 0: none is running
    std::optional<int> code{};
    std::string fresh{};  ///< output of a command whose earlier output is still shown
  };
  /// A text that is being typed.
  struct Prompt {
    enum class Kind { filter, find, jump, eval };
    Kind kind;
    std::string label;
    std::string text{};
    std::string before{};           ///< the filter that Escape restores
    std::vector<Target> targets{};  ///< of an eval: those that were chosen when it was asked for
  };
  /// A page that is opened after a "y".
  struct Question {
    std::string text;
    Page page;
  };

  void type(char32_t key);
  void typed();
  void answer(char32_t key);
  void list_key(char32_t key);
  void page_key(char32_t key);
  /// Handles a key that is the same in the list and on a shard's pages.
  bool command(char32_t key);

  [[nodiscard]] std::vector<Target> targets() const;
  void open(Page page);
  void close();
  void start(Page& page);
  Page* page_of(int run);
  void open_shard();
  void open_logs();
  void open_events();
  void ask_respawn();
  void ask_eval();
  void eval(const std::string& script, std::vector<Target> chosen);
  void write_alerts(Page& page) const;

  /// What is wrong with the fleet and the server, in sentences.
  [[nodiscard]] std::vector<std::string> troubles(std::int64_t now_ms) const;
  [[nodiscard]] bool gone(std::int64_t now_ms) const;
  void draw_alarm(std::vector<Line>& screen, std::int64_t now_ms) const;
  void draw_head(std::vector<Line>& screen, std::int64_t now_ms) const;
  [[nodiscard]] Line status() const;
  [[nodiscard]] Line keys() const;

  Options options_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::string unassigned_;  ///< a sentence about the ids that no shard has; empty: each has one
  std::string failure_;
  bool refused_ = false;  ///< the failure is an answer
  ShardList list_;
  Past past_;
  std::vector<Page> pages_;  ///< the last one is on the screen
  std::optional<Prompt> prompt_;
  std::optional<Question> question_;
  std::string message_;  ///< until the next key
  std::vector<Request> requests_;
  int last_run_ = 0;
  std::size_t width_ = 80;
  std::size_t height_ = 24;
  std::size_t body_ = 20;  ///< rows of the list or page, as last drawn
  bool quit_ = false;
};

/// A sentence about the shard ids that no shard has; empty: each has one, or the snapshot is of a part.
[[nodiscard]] std::string unassigned_ids(const Snapshot& snapshot);
/// The text of the page of keys.
[[nodiscard]] std::string help_text();
/// "shard 0 (aaa)", "3 shards: 0 (aaa), 1 (aab), 2 (aac)"; only the first few are named.
[[nodiscard]] std::string describe(const std::vector<Target>& targets);
/// All ids of the targets, such as "0-3,7".
[[nodiscard]] std::string id_list(const std::vector<Target>& targets);

}  // namespace smaster::watch
