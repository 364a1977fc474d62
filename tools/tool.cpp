#include "tool.hpp"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/system/system_error.hpp>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>

#include "base/file.hpp"
#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "nearest.hpp"

namespace smaster::tools {
namespace {

constexpr std::int64_t kMaxRange = 1'000'000;

/// Formats --help for 80 columns; a flag shows only the type and default of its value. With
/// SMASTER_HELP=choices in the environment also its choices, for the shells' completions.
class Help : public CLI::Formatter {
 public:
  Help() : choices_(std::getenv("SMASTER_HELP") != nullptr) {}

  std::string make_option_opts(const CLI::Option* option) const override {
    if (choices_) return CLI::Formatter::make_option_opts(option);
    const auto type = option->get_type_name();
    const auto& standard = option->get_default_str();
    return (type.empty() ? "" : ' ' + type.substr(0, type.find(':'))) +
           (standard.empty() ? "" : '=' + standard);
  }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    if (choices_) return CLI::Formatter::make_option(option, positional);
    return item(make_option_name(option, positional) + make_option_opts(option), make_option_desc(option));
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    auto usage = CLI::Formatter::make_usage(app, std::move(name));
    if (app->get_prefix_command()) usage.insert(usage.find("[OPTIONS]") + 9, " [--] COMMAND...");
    return usage;
  }

  std::string make_subcommand(const CLI::App* subcommand) const override {
    return item(subcommand->get_name(), subcommand->get_description());
  }

 private:
  static constexpr std::size_t kColumn = 26;
  static constexpr std::size_t kWidth = 80;

  static std::string item(const std::string& name, const std::string& description) {
    std::string text = "  " + name;
    std::size_t column = text.size();
    const auto next_line = [&] {
      text.append(1, '\n').append(kColumn - 1, ' ');
      column = kColumn - 1;
    };
    if (column + 2 > kColumn) {
      next_line();
    } else {
      text.append(kColumn - 1 - column, ' ');
      column = kColumn - 1;
    }
    std::istringstream words(description);
    for (std::string word; words >> word;) {
      if (column + 1 + word.size() > kWidth) next_line();
      text.append(1, ' ').append(word);
      column += 1 + word.size();
    }
    return text + '\n';
  }

  bool choices_;
};

/// Parses one part of an id list; false if it is neither an id nor a range.
bool parse_part(std::string_view part, std::int64_t& first, std::int64_t& last) {
  const auto dash = part.find('-');
  const auto low = parse_int<std::int32_t>(part.substr(0, dash));
  const auto high = dash == std::string_view::npos ? low : parse_int<std::int32_t>(part.substr(dash + 1));
  if (!low || !high || *low < 0 || *high < *low || *high - *low > kMaxRange) return false;
  first = *low;
  last = *high;
  return true;
}

/// Calls `take` for each comma-separated part; stops and returns false when `take` does.
bool each_part(std::string_view text, const std::function<bool(std::string_view)>& take) {
  while (true) {
    const auto comma = text.find(',');
    if (!take(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

std::string check_ids(const std::string& text) {
  const bool good = each_part(text, [](std::string_view part) {
    std::int64_t first = 0;
    std::int64_t last = 0;
    return parse_part(part, first, last);
  });
  return good ? "" : "takes shard ids such as 3, 0-15 or 0-15,20, not " + text;
}

}  // namespace

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return kUsage;
    case ErrorKind::bad_data:
      return kBadData;
    case ErrorKind::not_found:
      return kUsage;
    case ErrorKind::unavailable:
      return kUnavailable;
    case ErrorKind::cannot_create:
      return kCannotCreate;
    case ErrorKind::timed_out:
      return kTimedOut;
    case ErrorKind::not_permitted:
      return kNotPermitted;
    case ErrorKind::bad_config:
      return kBadConfig;
    case ErrorKind::internal:
      return kInternal;
  }
  return kInternal;
}

CLI::Option* add_duration(CLI::App& app, const std::string& flag, Millis& out, const std::string& help) {
  return app
      .add_option_function<std::string>(
          flag, [&out](const std::string& text) { out = *parse_duration(text); }, help)
      ->check(CLI::Validator(
          [](std::string& text) {
            return parse_duration(text) ? std::string()
                                        : "takes a duration such as 30s, 5m or 250ms, not " + text;
          },
          ""))
      ->type_name("DURATION")
      ->default_str(format_duration(out));
}

Tool::Tool(const std::string& name, const std::string& summary, const std::string& examples)
    : app(summary, "smaster " + name), name_(name) {
  app.set_version_flag("--version", std::string("smaster ") + SMASTER_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.footer("Examples:\n" + examples);
  app.formatter(std::make_shared<Help>());
}

void Tool::add_client_flags(Millis default_timeout) {
  timeout = default_timeout;
  app.add_option("--socket", socket, "The server's control socket, unless it is $SMASTER_SOCKET")
      ->type_name("PATH");
  (void)add_duration(app, "--timeout", timeout, "How long to wait for the server");
}

int Tool::run(int argc, char** argv, const std::function<int()>& work) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    return kDone;
  } catch (const CLI::CallForVersion& version) {
    print(std::string(version.what()) + '\n');
    return kDone;
  } catch (const CLI::ParseError& wrong) {
    say("smaster " + name_ + ": " + wrong.what() + suggestion());
    say("see \"smaster " + name_ + " --help\"");
    return kUsage;
  }
  if (socket.empty()) socket = control::default_socket().string();
  try {
    return work();
  } catch (const std::exception& e) {
    const auto* const failed = dynamic_cast<const boost::system::system_error*>(&e);
    if (failed == nullptr || failed->code() != boost::system::errc::too_many_files_open) {
      return report(fail(ErrorKind::internal, e.what()));
    }
    return report(
        fail(ErrorKind::unavailable,
             std::string("no file descriptor is free (") + e.what() +
                 "); raise the limit, which is LimitNOFILE in a unit and \"ulimit -n\" in a shell"));
  }
}

/// A suggestion for the first unknown word: the most similar flag or subcommand.
std::string Tool::suggestion() const {
  const auto extra = app.remaining(true);
  if (extra.empty()) return {};
  std::vector<std::string> words;
  const auto add = [&](const CLI::App& of) {
    for (const auto* const option : of.get_options()) {
      for (const auto& name : option->get_lnames()) words.push_back("--" + name);
    }
    for (const auto* const subcommand : of.get_subcommands({})) words.push_back(subcommand->get_name());
  };
  add(app);
  for (const auto* const subcommand : app.get_subcommands()) add(*subcommand);
  return did_you_mean(extra.front().substr(0, extra.front().find('=')), words);
}

void Tool::add_yes_flag() { app.add_flag("--yes", yes, "Do not ask, also where it does harm"); }

std::optional<int> Tool::confirm(const std::string& what) const {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) {
    return report(
        fail(ErrorKind::usage,
             "nothing was done, since nobody can be asked without a terminal; say --yes to do it. " + what));
  }
  std::cerr << outlet::terminal(what) << " Go on? [y/N] ";
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return std::nullopt;
  say("smaster " + name_ + ": nothing was done");
  return kPartly;
}

int Tool::report(const Error& error) const {
  say("smaster " + name_ + ": " + error.message);
  return exit_code(error.kind);
}

std::int64_t now_ms() { return to_unix_ms(std::chrono::floor<Millis>(std::chrono::system_clock::now())); }

std::string seconds(std::int64_t ms) {
  return std::to_string(ms / 1000) + '.' + std::to_string(ms / 100 % 10) + " s";
}

namespace {

void write_out(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) std::_Exit(kDone);  // the reader has closed the pipe
      std::cerr << "cannot write to stdout: " << std::strerror(errno) << '\n';
      std::_Exit(kCannotCreate);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool on_terminal() {
  static const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  return terminal;
}

}  // namespace

void print(std::string_view text) {
  on_terminal() ? write_out(outlet::terminal_lines(text)) : write_out(text);
}

void print_json(std::string_view text) { on_terminal() ? write_out(outlet::json(text)) : write_out(text); }

void print_line(std::string_view text) { write_out(outlet::terminal(text) + '\n'); }

void print_styled(std::string_view text) { write_out(text); }

void say(std::string_view text) { std::cerr << outlet::terminal(text) + '\n'; }

Result<boost::json::object> fetch(const control::Client& client, const std::string& target) {
  const auto body = client.request("GET", target);
  if (!body) return body.error();
  auto value = json::parse(*body);
  if (!value || !value->is_object())
    return fail(ErrorKind::internal, "the server's answer is no JSON object");
  return std::move(value->get_object());
}

boost::json::array fetch_history(const control::Client& client, const std::string& name,
                                 std::int64_t since_ms) {
  auto history = fetch(client, "/v1/history?since=" + std::to_string(since_ms) + "&id=" + name);
  auto* const list = history ? history->if_contains(name) : nullptr;
  return list != nullptr && list->is_array() ? std::move(list->get_array()) : boost::json::array();
}

Result<std::string> read_input(const std::string& path) {
  if (path != "-") {
    auto content = read_any_file(path);
    return content ? content : fail(ErrorKind::bad_data, content.error().message);
  }
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

bool is_label(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !text.empty() && text.size() <= 64 && text.find_first_not_of(kLetters) == text.npos;
}

Result<std::string> shard_parameter(const std::string& shard) {
  if (shard.find_first_not_of("0123456789") == shard.npos) return "id=" + shard;
  if (ShardName::parse_seat(shard)) return "name=" + shard;
  return fail(ErrorKind::usage, '"' + shard + "\" is no shard id, such as 7, and no name, such as abc");
}

CLI::Validator shard_ids() {
  return {[](std::string& text) { return check_ids(text); }, ""};
}

void add_shard_flag(CLI::App& app, std::vector<std::string>& out) {
  app.add_option("--shard", out, "Only these shard ids: 3, 0-15 or 0-15,20")
      ->type_name("ID")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->check(shard_ids());
}

std::vector<std::int64_t> parse_ids(const std::vector<std::string>& texts) {
  std::vector<std::int64_t> ids;
  for (const auto& text : texts) {
    each_part(text, [&](std::string_view part) {
      std::int64_t first = 0;
      std::int64_t last = -1;
      if (!parse_part(part, first, last)) return false;
      for (auto id = first; id <= last; ++id) ids.push_back(id);
      return true;
    });
  }
  return ids;
}

void AddressFlags::add_to(CLI::App& app) {
  add_shard_flag(app, shards);
  app.add_option("--guild", guild, "Only the shard that this guild lives on")
      ->type_name("ID")
      ->check(CLI::Validator(
          [](std::string& text) {
            return parse_int<std::uint64_t>(text) ? std::string() : "takes a guild's id, not " + text;
          },
          ""));
  app.add_option("--host", host, "Only shards on this host, by its agent's label")->type_name("LABEL");
  app.add_option("--where", where,
                 "Only shards of which this is true, such as state=silent or stats.ping>200")
      ->type_name("CONDITION");
}

boost::json::object AddressFlags::request() const {
  boost::json::object request;
  const auto ids = parse_ids(shards);
  if (!shards.empty()) request["shards"] = boost::json::array(ids.begin(), ids.end());
  // An empty value is sent, too: an unset shell variable must not address all shards.
  if (guild) request["guild"] = *guild;
  if (host) request["host"] = *host;
  if (where) request["where"] = *where;
  return request;
}

}  // namespace smaster::tools
