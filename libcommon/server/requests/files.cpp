#include "server/requests/files.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <limits>
#include <utility>

#include "json/json.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "net/event.hpp"
#include "server/shards/shard_session.hpp"
#include "settings/containment.hpp"

namespace smaster::server {
namespace {

/// Maximum size of a message for npm's websocket client (`ws`, maxPayload), and so of a file.
constexpr std::size_t kMaxFile = 100u << 20;
/// Time for a shard to acknowledge a file.
constexpr Millis kPatience{300'000};
/// Limits of files that wait to be written: their number and bytes, in total and per shard.
constexpr std::size_t kMostWaiting = 10'000;
constexpr std::size_t kMostWaitingEach = 2'000;
constexpr std::size_t kMostWaitingBytes = 256u << 20;
constexpr std::size_t kMostWaitingBytesEach = 128u << 20;
/// The time sent for a file that does not exist (WIRE.md, `getFile`).
constexpr Time kNoFile = from_unix_ms(1);

/// Limits of transfers to shards (waiting, being sent, not acknowledged): in total, and per shard.
constexpr std::size_t kMostSent = 10'000;
constexpr std::size_t kMostSentEach = 2'000;
/// A shard that reads nothing of a file for this long is disconnected.
constexpr std::chrono::seconds kStall{30};
/// The same while other transfers wait.
constexpr std::chrono::seconds kStallBusy{3};

/// A file that is read while it is sent. Closed at its end, or when the shard stops reading.
class FileSource final : public engineio::FrameSource, public std::enable_shared_from_this<FileSource> {
 public:
  FileSource(net::asio::io_context& context, Files& files, std::shared_ptr<files::OpenFile> file,
             Transfers::Turn turn)
      : context_(context),
        files_(files),
        file_(std::move(file)),
        turn_(std::move(turn)),
        stall_(context.get_executor()) {}

  /// `stalled` is called if the shard stops reading, with the time since its last read.
  void start(std::function<void(std::chrono::seconds)> stalled) {
    stalled_ = std::move(stalled);
    watch();
  }

  void read(std::size_t offset, Then then) override {
    watch();
    if (!file_) {
      auto rest = whole_ ? std::optional(std::string()) : std::nullopt;
      return net::asio::post(context_, [rest, then = std::move(then)] { then(rest); });
    }
    net::asio::post(
        files_.thread(), [self = shared_from_this(), file = file_, offset, then = std::move(then)]() mutable {
          auto piece = file->read(offset, kPiece);
          net::asio::post(self->context_, [self, piece = std::move(piece), then = std::move(then)]() mutable {
            self->whole_ = piece && piece->empty();
            if (!piece || piece->empty()) self->finish();
            then(piece ? std::optional(std::move(*piece)) : std::nullopt);
          });
        });
  }

 private:
  void watch() {
    if (!file_) return;
    taken_ = net::now();
    look_again();
  }
  void look_again() {
    stall_.expires_after(kStallBusy);
    stall_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = error ? nullptr : weak.lock();
      if (!self || !self->file_) return;
      const auto quiet = net::now() - self->taken_;
      if (quiet < kStall && !self->files_.others_wait()) return self->look_again();
      self->finish();
      if (self->stalled_) self->stalled_(std::chrono::duration_cast<std::chrono::seconds>(quiet));
    });
  }
  void finish() {
    stall_.cancel();
    file_.reset();
    turn_ = {};
  }

  net::asio::io_context& context_;
  Files& files_;
  std::shared_ptr<files::OpenFile> file_;  ///< null once it is closed
  bool whole_ = false;                     ///< all of it was read
  Transfers::Turn turn_;
  net::Timer stall_;
  Instant taken_{};  ///< time of the shard's last read
  std::function<void(std::chrono::seconds)> stalled_;
};

Error not_connected(const ShardName& shard) {
  return fail(ErrorKind::unavailable, "shard " + shard.str() + " is not connected");
}

Error too_many() {
  return fail(ErrorKind::unavailable, "too many files wait to be written; try again later");
}

Error too_many_sent() {
  return fail(ErrorKind::unavailable, "too many files are asked for at the same time (at most " +
                                          std::to_string(kMostSentEach) + " of one shard, " +
                                          std::to_string(kMostSent) + " of all); try again later");
}

template <class T>
Result<std::shared_ptr<T>> shared(Result<T> result) {
  if (!result) return result.error();
  return std::make_shared<T>(std::move(*result));
}

/// The outcome in an ack: null, or an error of any form.
Result<void> outcome_of(const socketio::Arguments* arguments) {
  if (arguments == nullptr) return fail(ErrorKind::unavailable, "disconnected before it answered");
  if (arguments->json.empty() || !json::truthy(arguments->json.front())) return {};
  const auto& error = arguments->json.front();
  std::string sentence = json::unquote(error).value_or(std::string(error.substr(0, 300)));
  if (const auto value = json::parse(error); value && value->is_object()) {
    json::read(value->get_object(), "message", sentence);
  }
  return fail(ErrorKind::bad_data, sentence);
}

}  // namespace

/// Counts bytes that wait to be written, during its lifetime.
class Files::HeldBytes {
 public:
  HeldBytes(std::shared_ptr<WaitingBytes> bytes, std::string who, std::size_t size)
      : bytes_(std::move(bytes)), who_(std::move(who)), size_(size) {
    bytes_->all += size_;
    bytes_->each[who_] += size_;
  }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;
  ~HeldBytes() {
    bytes_->all -= size_;
    const auto own = bytes_->each.find(who_);  // none, if only empty files wait
    if (own != bytes_->each.end() && (own->second -= size_) == 0) bytes_->each.erase(own);
  }

 private:
  std::shared_ptr<WaitingBytes> bytes_;
  std::string who_;
  std::size_t size_;
};

/// A quarter of the descriptors is for files sent unasked: those of operators, and copy_files.
Files::Files(const Parts& parts)
    : parts_(parts),
      turns_(parts.context, 1, kMostWaiting, kMostWaitingEach),
      asked_for_(parts.context, parts.descriptors.limits().files - parts.descriptors.limits().files / 4,
                 kMostSent, kMostSentEach),
      pushed_(parts.context, std::max<std::size_t>(parts.descriptors.limits().files / 4, 1),
              std::numeric_limits<std::size_t>::max(), kMostSentEach) {}

/// Opens the project_dir of the present settings.
Result<std::shared_ptr<files::Folder>> Files::folder() {
  const auto& path = parts_.settings.project_dir;
  if (path.empty()) {
    return fail(ErrorKind::not_permitted, "this server has no files: [server] project_dir is not set");
  }
  if (!folder_ || path != path_) {
    auto opened = files::Folder::open(path);
    if (!opened) return opened.error();
    folder_ = std::make_shared<files::Folder>(std::move(*opened));
    path_ = path;
  }
  return folder_;
}

net::Task<Result<void>> Files::take(std::string who, wire::FileEvent event) {
  const auto folder = this->folder();
  if (!folder) co_return folder.error();
  if (event.what == wire::FileEvent::What::keep) co_return Result<void>();
  const auto size = event.data.size();
  const bool fits = waiting_bytes_->all + size <= kMostWaitingBytes &&
                    waiting_bytes_->each[who] + size <= kMostWaitingBytesEach;
  const HeldBytes held(waiting_bytes_, who, size);
  if (!fits) co_return too_many();
  const auto turn = co_await turns_.take(who);
  if (!turn) co_return too_many();
  const auto guard =
      who.empty() ? std::nullopt : std::optional(guard_for_shards(parts_.settings, parts_.settings_file));
  auto done = co_await net::run_in(thread_, [&folder, &event, &guard] {
    const auto* const keeps = guard ? &*guard : nullptr;
    return event.what == wire::FileEvent::What::write
               ? (*folder)->write(event.file.name, event.data, event.file.mtime, keeps)
               : (*folder)->remove(event.file.name, keeps);
  });
  co_return done;
}

net::Task<Result<std::shared_ptr<files::OpenFile>>> Files::open(std::string name) {
  return open(std::move(name), std::nullopt);
}

net::Task<Result<std::shared_ptr<files::OpenFile>>> Files::open(std::string name,
                                                                std::optional<files::Guard> guard) {
  const auto folder = this->folder();
  if (!folder) co_return folder.error();
  co_return co_await net::run_in(thread_, [&folder, &name, &guard] {
    return shared((*folder)->open_file(name, guard ? &*guard : nullptr));
  });
}

net::Task<Result<std::shared_ptr<files::FileWriter>>> Files::create(std::string name) {
  const auto folder = this->folder();
  if (!folder) co_return folder.error();
  co_return co_await net::run_in(thread_, [&folder, &name] { return shared((*folder)->create(name)); });
}

Result<ShardRef> Files::connected(const ShardName& name) {
  const auto* const shard = parts_.directory.find(name);
  if (shard == nullptr || !shard->connected()) return not_connected(name);
  return shard->session->ref();
}

net::Task<Result<void>> Files::give(ShardRef to, wire::FileName asked) {
  const auto ticket = asked_for_.enter(to.name.process(0).str());
  if (!ticket) co_return too_many_sent();
  auto turn = co_await asked_for_.take(*ticket);
  if (!turn || parts_.directory.session(to) == nullptr) co_return not_connected(to.name);
  auto time = kNoFile;
  std::shared_ptr<files::OpenFile> given;
  {
    auto guard = std::optional(guard_for_shards(parts_.settings, parts_.settings_file));
    auto file = co_await open(asked.name, std::move(guard));  // closed with this block if not sent
    if (!file && file.error().kind != ErrorKind::not_found) co_return file.error();
    if (file) time = (*file)->mtime;
    if (file && (!asked.mtime || time > *asked.mtime)) given = std::move(*file);
  }
  auto name = wire::file_name_json(asked.name, time);
  co_return co_await send(std::move(to), std::move(name), std::move(given), std::move(turn));
}

net::Task<Result<void>> Files::push(ShardName shard, std::string name) {
  const auto ticket = pushed_.enter(shard.str());
  if (!ticket) co_return too_many_sent();
  auto turn = co_await pushed_.take(*ticket);
  if (!turn) co_return not_connected(shard);
  if (const auto there = connected(shard); !there) co_return there.error();
  auto file = co_await open(name);
  if (!file) co_return file.error();
  auto name_json = wire::file_name_json(name, (*file)->mtime);
  auto given = std::move(*file);
  auto to = connected(shard);
  if (!to) co_return to.error();
  co_return co_await send(std::move(*to), std::move(name_json), std::move(given), std::move(turn));
}

net::Task<Result<void>> Files::fetch(ShardName shard, std::string name) {
  auto to = connected(shard);
  if (!to) co_return to.error();
  std::vector<std::string> arguments(1, json::quote(name));
  std::string event = "getFile";
  std::shared_ptr<engineio::FrameSource> none;
  co_return co_await ask(std::move(*to), std::move(event), std::move(arguments), std::move(none));
}

net::Task<Result<void>> Files::send(ShardRef to, std::string name_json, std::shared_ptr<files::OpenFile> file,
                                    Transfers::Turn turn) {
  if (file && file->size > kMaxFile) {
    co_return fail(ErrorKind::bad_data, "the file has " + std::to_string(file->size) + " bytes, of at most " +
                                            std::to_string(kMaxFile) + " that shards take");
  }
  std::vector<std::string> arguments(1, std::move(name_json));
  arguments.emplace_back(file ? R"({"_placeholder":true,"num":0})" : "null");
  std::string event = "writeFile";
  std::shared_ptr<engineio::FrameSource> source;
  if (file) {
    const auto sent = std::make_shared<FileSource>(parts_.context, *this, std::move(file), std::move(turn));
    source = sent;
    sent->start([&directory = parts_.directory, to](std::chrono::seconds quiet) {
      auto* const session = directory.session(to);
      if (session == nullptr) return;
      log::shard(spdlog::level::warn, {"file_unread", to.name.str(), {}, {}},
                 "shard " + to.name.str() + " has taken nothing of a file for " +
                     std::to_string(quiet.count()) + " s: it is disconnected");
      session->close();  // nothing else can be sent before the rest of the file
    });
  }
  turn = {};
  co_return co_await ask(std::move(to), std::move(event), std::move(arguments), std::move(source));
}

net::Task<Result<void>> Files::ask(ShardRef to, std::string event, std::vector<std::string> arguments,
                                   std::shared_ptr<engineio::FrameSource> source) {
  auto* const session = parts_.directory.session(to);
  if (session == nullptr) co_return not_connected(to.name);
  net::Supplied<Result<void>> outcome(parts_.context.get_executor());
  session->request_with(
      event, {arguments.begin(), arguments.end()}, source,
      [then = outcome.callback()](const socketio::Arguments* answer) { then(outcome_of(answer)); });
  source.reset();  // owned by the session until it is sent
  auto said = co_await outcome.get(net::now() + kPatience);
  if (!said) co_return fail(ErrorKind::timed_out, "it has not said in time that it has it");
  co_return std::move(*said);
}

net::Task<> Files::copy(ShardName shard) {
  const auto names = parts_.settings.copy_files;
  for (const auto& name : names) {
    const auto copied = co_await push(shard, name);
    if (!copied) {
      spdlog::warn("[shards] copy_files: {} is not on shard {}: {}", name, shard.str(),
                   copied.error().message);
    }
  }
}

}  // namespace smaster::server
