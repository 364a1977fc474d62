#include "server/requests/mail.hpp"

#include <botan/base64.h>
#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <ctime>
#include <utility>

#include "base/file.hpp"
#include "base/outlet.hpp"
#include "base/text.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

constexpr std::string_view kAttachment = "%ATTACHMENT%";
constexpr std::size_t kMostMails = 1'000;
constexpr std::chrono::hours kAlertAgain{1};
/// Pause before a retry while there are no descriptors or processes left for the program.
constexpr std::chrono::seconds kTryAgain{5};
constexpr int kMailTries = 60;
constexpr std::size_t kBase64Line = 76;  // RFC 2045, 6.8

/// The present time in the format of mails (RFC 5322, 3.3).
std::string mail_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S %z", &parts)};
}

/// A file's content in lines of base64, for a MIME part; empty if it cannot be read.
std::string attachment(const std::filesystem::path& path) {
  const auto content = read_file(path);
  if (!content) return {};
  const auto text =
      Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
  std::string lines;
  for (std::size_t at = 0; at < text.size(); at += kBase64Line) lines += text.substr(at, kBase64Line) + '\n';
  return lines;
}

}  // namespace

std::string fill(const std::string& text, const std::map<std::string, std::string>& values,
                 const std::map<std::string, std::string>& said) {
  const auto body = text.find("\n\n");  // RFC 5322, 2.1: the first empty line ends the header
  std::string filled;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    const auto word = end == std::string::npos ? std::string() : text.substr(at + 1, end - at - 1);
    if (const auto value = values.find(word); value != values.end()) {
      filled += value->second;
    } else if (const auto other = said.find(word); other != said.end()) {
      filled += at < body ? outlet::mail_header(other->second) : outlet::mail_body(other->second);
    } else {
      filled += text[at++];
      continue;
    }
    at = end + 1;
  }
  return filled;
}

net::Program Mail::program(const std::vector<std::string>& args, std::string text) const {
  const auto& settings = parts_.settings;
  net::Program program;
  program.command.push_back(settings.mail_command);
  program.command.insert(program.command.end(), args.begin(), args.end());
  program.env = settings.mail_env;
  program.input = std::move(text);
  program.timeout = settings.mail_timeout;
  return program;
}

void Mail::config_created(const ShardName& name, const std::string& public_pem,
                          const std::filesystem::path& config, bool temporary) {
  const auto& settings = parts_.settings;
  if (!settings.mail_enabled) return;
  auto args = settings.mail_args;
  for (auto& arg : args) {
    if (const auto at = arg.find(kAttachment); at != std::string::npos) {
      arg.replace(at, kAttachment.size(), config.string());
    }
  }
  std::map<std::string, std::string> values{
      {"date", mail_date()}, {"id", name.str()}, {"pubkey", public_pem}};
  if (settings.mail_create_message.find("{attachment}") != std::string::npos) {
    values["attachment"] = attachment(config);
  }
  send({"the config of shard " + name.str(), program(args, fill(settings.mail_create_message, values)),
        temporary ? config : std::filesystem::path()});
}

void Mail::config_failed(const std::string& errors) {
  const auto& settings = parts_.settings;
  if (!settings.mail_enabled) return;
  auto text = fill(settings.mail_create_fail_message, {{"date", mail_date()}}, {{"errors", errors}});
  send_once_an_hour("that no config can be made", errors, program(settings.mail_fail_args, std::move(text)));
}

void Mail::alert(const std::string& text, const std::string& details) {
  const auto& settings = parts_.settings;
  if (!settings.mail_enabled) return;
  auto filled =
      fill(settings.mail_alert_message, {{"date", mail_date()}}, {{"text", outlet::terminal(text)}});
  // After an empty line: of a text without a header nothing may be taken for one.
  if (!details.empty())
    filled += (filled.ends_with('\n') ? "\n" : "\n\n") + outlet::mail_body(details) + '\n';
  send({"an alert", program(settings.mail_fail_args, std::move(filled)), {}});
}

/// At most one mail per hour and text: what fails is tried again every few seconds.
void Mail::send_once_an_hour(const std::string& what, const std::string& text, net::Program program) {
  const auto now = net::now();
  std::erase_if(said_, [now](const auto& said) { return now - said.second > kAlertAgain; });
  if (!said_.emplace(text, now).second) return;
  send({what, std::move(program), {}});
}

void Mail::send(Message message) {
  if (waiting_.size() >= kMostMails) {
    spdlog::error("mail: {} wait already; {} is not mailed", waiting_.size(), message.what);
    return;
  }
  waiting_.push_back(std::move(message));
  start();
}

void Mail::start() {
  if (running_ || waiting_.empty()) return;
  parts_.tasks.spawn("mail", run(), [this] { start(); });
}

/// One after the other: a mail server may refuse many at once.
net::Task<> Mail::run() {
  const auto busy = running_.begin();
  while (!waiting_.empty()) {
    auto message = std::move(waiting_.front());
    waiting_.pop_front();
    auto program = message.program;
    net::OnLine log = [](net::Output from, std::string_view line) {
      if (from == net::Output::err) {
        spdlog::warn("mail: {}", line);
      } else {
        spdlog::debug("mail: {}", line);
      }
    };
    const auto ended = co_await net::run_program(parts_.context, std::move(program), std::move(log));
    const bool no_room = !ended && ended.error().kind == ErrorKind::unavailable;
    if (no_room && ++message.tries < kMailTries) {
      spdlog::warn("mail: {} waits: {}", message.what, ended.error().message);
      waiting_.push_front(std::move(message));
      net::Timer pause(parts_.context.get_executor(), kTryAgain);
      co_await pause.async_wait(net::use_task);
      continue;
    }
    trouble_.clear();
    if (!ended) {
      trouble_ = message.what + " is not sent: " + ended.error().message;
    } else if (!ended->ok()) {
      trouble_ = message.what + " is not sent: " + message.program.command.front() + " ended with " +
                 ended->text(message.program);
    }
    if (!trouble_.empty()) {
      spdlog::error("mail: {}", trouble_);
    } else {
      spdlog::info("mail: {} is sent (exit code 0)", message.what);
    }
    std::error_code ignored;
    if (!message.remove.empty()) std::filesystem::remove(message.remove, ignored);
  }
}

}  // namespace smaster::server
