#include "server/alerts/alerts.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

constexpr const char* kSilencesNote = "silences";
constexpr const char* kToldNote = "alerts";
constexpr std::chrono::hours kEventAgain{1};
constexpr std::size_t kMostSilences = 1'000;
/// A turn of the event loop that is late by this much is told.
constexpr Millis kStood{10'000};

/// Events that are told at once, since they say more than the fleet's state does.
bool is_alert(fleet::EventKind kind) {
  using enum fleet::EventKind;
  for (const auto each : {duplicate, idle, parked, refused, store, leader, keys, stood}) {
    if (kind == each) return true;
  }
  return false;
}

std::string silences_text(const std::vector<Silence>& silences) {
  bj::array list;
  for (const auto& each : silences) list.push_back(to_json(each));
  return json::serialize(list);
}

std::vector<Silence> parse_silences(const std::string& text) {
  std::vector<Silence> silences;
  const auto list = json::parse(text.empty() ? "[]" : text);
  if (!list || !list->is_array()) return silences;
  for (const auto& each : list->get_array()) {
    if (!each.is_object()) continue;
    const auto& object = each.get_object();
    Silence silence;
    std::int64_t until = 0;
    std::int64_t id = -1;
    json::read(object, "host", silence.host);
    json::read(object, "shard", id);
    json::read(object, "until", until);
    json::read(object, "by", silence.by);
    json::read(object, "why", silence.why);
    if (id >= 0) silence.id = ShardId{static_cast<std::int32_t>(id)};
    silence.until = from_unix_ms(until);
    silences.push_back(std::move(silence));
  }
  return silences;
}

std::string told_text(const std::vector<ToldAlert>& alerts) {
  bj::array list;
  for (const auto& each : alerts) {
    bj::array ids;
    for (const auto id : each.ids) ids.push_back(id.value);
    list.push_back(bj::object{{"key", each.key},
                              {"text", each.text},
                              {"host", each.host},
                              {"ids", std::move(ids)},
                              {"runs", each.runs},
                              {"since", to_unix_ms(each.since)},
                              {"told", to_unix_ms(each.told)}});
  }
  return json::serialize(list);
}

std::vector<ToldAlert> parse_told(const std::string& text) {
  std::vector<ToldAlert> alerts;
  const auto list = json::parse(text.empty() ? "[]" : text);
  if (!list || !list->is_array()) return alerts;
  for (const auto& each : list->get_array()) {
    if (!each.is_object()) continue;
    const auto& object = each.get_object();
    ToldAlert alert;
    std::int64_t since = 0;
    std::int64_t told = 0;
    json::read(object, "key", alert.key);
    json::read(object, "text", alert.text);
    json::read(object, "host", alert.host);
    json::read(object, "since", since);
    json::read(object, "told", told);
    if (const auto* const runs = object.if_contains("runs")) alert.runs = runs->is_bool() && runs->get_bool();
    if (const auto* const ids = object.if_contains("ids"); ids != nullptr && ids->is_array()) {
      for (const auto& id : ids->get_array()) {
        if (id.is_int64()) alert.ids.push_back(ShardId{static_cast<std::int32_t>(id.get_int64())});
      }
      std::sort(alert.ids.begin(), alert.ids.end());
    }
    alert.since = from_unix_ms(since);
    alert.told = from_unix_ms(told);
    if (!alert.key.empty()) alerts.push_back(std::move(alert));
  }
  return alerts;
}

}  // namespace

bj::object to_json(const Silence& silence) {
  return {{"host", silence.host},
          {"shard", silence.id ? bj::value(silence.id->value) : bj::value(nullptr)},
          {"until", to_unix_ms(silence.until)},
          {"by", silence.by},
          {"why", silence.why}};
}

Alerts::Alerts(const Parts& parts)
    : parts_(parts),
      subscription_(parts.events.follow([this](const fleet::Event& event) { heard(event); })),
      together_(parts.context.get_executor()),
      turns_(parts.context, 1, kMostSilences, kMostSilences) {}

void Alerts::start() {
  parts_.tasks.keep_running("look for alerts", [this] { return run(); });
}

void Alerts::stop() {
  stopped_ = true;
  together_.cancel();
  parts_.sender.stop();
}

net::Task<> Alerts::run() {
  while (!stopped_) {
    if (!loaded_) {
      const auto turn = co_await turns_.take("");
      (void)co_await load();
    }
    co_await look();
    const auto now = net::now();
    if (!parts_.settings.alerts.alive_url.empty() && now - pinged_ >= parts_.settings.alerts.alive_interval) {
      pinged_ = now;
      parts_.tasks.spawn("ask alive_url", parts_.sender.ping());
    }
    const auto length = std::min(kLook, parts_.settings.alerts.alive_interval);
    const auto due = net::now() + length;
    net::Timer pause(parts_.context.get_executor(), length);
    boost::system::error_code ignored;
    co_await pause.async_wait(net::asio::redirect_error(net::use_task, ignored));
    const auto late = std::chrono::duration_cast<Millis>(net::now() - due);
    if (late < kStood) continue;
    parts_.events.record(
        {fleet::EventKind::stood,
         "this server stood still for " + format_duration(std::chrono::floor<std::chrono::seconds>(late)) +
             ": its process was stopped, or the machine slept or was overloaded; agents whose lease "
             "ended meanwhile have stopped their bots"});
  }
}

net::Task<> Alerts::look() {
  auto conditions = co_await parts_.conditions.look();
  if (stopped_) co_return;
  if (more) more(conditions);
  const auto now = net::fleet_clock();
  std::erase_if(said_, [now](const auto& said) { return now - said.second >= kEventAgain; });
  tell(parts_.book.update(now, conditions, parts_.settings.alerts.repeat,
                          [this](ShardId id) { return parts_.conditions.is_up(id); }));
  co_await save_told();
}

/// So that the next server tells their end.
net::Task<> Alerts::save_told() {
  auto told = parts_.book.told();
  if (!loaded_ || told == told_saved_) co_return;
  auto text = told_text(told);
  const auto saved = co_await parts_.store.save_note(kToldNote, std::move(text));
  if (saved) told_saved_ = std::move(told);  // otherwise at the next look
}

void Alerts::heard(const fleet::Event& event) {
  if (!is_alert(event.kind)) return;
  const auto now = net::fleet_clock();
  const std::string kind(fleet::traits(event.kind).word);
  const auto key = event.shard.empty() ? kind : kind + ' ' + event.shard;
  const auto [said, first] = said_.try_emplace(key, now);
  if (!first && now - said->second < kEventAgain) return;
  said->second = now;
  // The key is that of the fleet's state, so that its end is told with the same one.
  const bool each = event.kind == fleet::EventKind::duplicate || event.kind == fleet::EventKind::idle;
  AlertCondition condition{each ? key : kind, event.text};
  condition.host = event.host;
  for (const auto part : split(event.ids, ',')) {
    if (const auto id = parse_int<std::int32_t>(part)) condition.ids.push_back(ShardId{*id});
  }
  std::sort(condition.ids.begin(), condition.ids.end());
  if (parts_.book.was_told(condition.key, condition.ids, now - kEventAgain)) return;  // by an earlier server
  for (const auto& silence : parts_.book.silences()) {
    if (silence.covers(condition) && silence.until > now) return;
  }
  collected_.push_back({Notice::Kind::begins, condition.key, event.text, Millis{0}, event.details, true});
  if (collected_.size() > 1) return;
  together_.expires_after(net::now() - told_events_ < kNextTogether ? kNextTogether : kTogether);
  together_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    told_events_ = net::now();
    tell(std::exchange(collected_, {}));
  });
}

void Alerts::tell(std::vector<Notice> notices) {
  if (notices.empty()) return;
  for (const auto& notice : notices) {
    if (notice.recorded) continue;
    const bool over = notice.kind == Notice::Kind::over;
    parts_.events.record({over ? fleet::EventKind::recovered : fleet::EventKind::alert,
                          over ? "recovered: " + notice.text : notice.text});
  }
  const AlertMessage message{server_name(), std::move(notices)};
  const auto text = message.text();
  const auto first = text.find('\n');
  if (mail) mail(text.substr(0, first), first == std::string::npos ? "" : text.substr(first + 1));
  parts_.sender.send(message);
}

std::string Alerts::server_name() const {
  const auto& cluster = parts_.settings.cluster;
  boost::system::error_code ignored;
  const auto host = boost::asio::ip::host_name(ignored);
  return "smaster on " + host +
         (cluster.name.empty() || cluster.name == host ? "" : " (" + cluster.name + ')');
}

/// Those of an earlier run; call within a turn.
net::Task<Result<void>> Alerts::load() {
  if (loaded_) co_return Result<void>();
  const auto text = co_await parts_.store.load_note_in_store(kSilencesNote);
  if (!text) co_return text.error();
  const auto told = co_await parts_.store.load_note_in_store(kToldNote);
  if (!told) co_return told.error();
  parts_.book.set_silences(parse_silences(*text));
  const auto now = net::fleet_clock();
  const auto& settings = parts_.settings;
  const auto longest = std::max(settings.assume_dead_after, settings.alerts.id_down_after);
  told_saved_ = parse_told(*told);
  parts_.book.restore(told_saved_, now, now + longest + AlertBook::kUnsure);
  loaded_ = true;
  co_return Result<void>();
}

/// Changes take turns: each begins with what the one before has saved. They are in force once they are saved:
/// otherwise they would be gone after a restart.
net::Task<Result<void>> Alerts::change(Edit edit) {
  const auto turn = co_await turns_.take("");
  if (!turn) co_return fail(ErrorKind::unavailable, "too many silences are being saved; try again");
  if (auto loaded = co_await load(); !loaded) co_return loaded;
  auto silences = parts_.book.silences();
  if (auto edited = edit(silences); !edited) co_return edited;
  auto text = silences_text(silences);
  auto saved = co_await parts_.store.save_note(kSilencesNote, std::move(text));
  if (saved) parts_.book.set_silences(std::move(silences));
  co_return saved;
}

net::Task<Result<void>> Alerts::silence(Silence silence) {
  Edit edit = [&silence](std::vector<Silence>& silences) -> Result<void> {
    if (silences.size() >= kMostSilences) {
      return fail(ErrorKind::not_permitted, "there are 1,000 silences; end some first");
    }
    end_silence(silences, silence.host, silence.id);
    silences.push_back(std::move(silence));
    return {};
  };
  co_return co_await change(std::move(edit));
}

net::Task<Result<void>> Alerts::unsilence(std::string host, std::optional<ShardId> id) {
  Edit edit = [&](std::vector<Silence>& silences) -> Result<void> {
    if (end_silence(silences, host, id) > 0) return {};
    return fail(ErrorKind::not_found, "there is no such silence");
  };
  co_return co_await change(std::move(edit));
}

}  // namespace smaster::server
