#include "agent/bot/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.hpp"

namespace smaster::agent {
namespace {

namespace fs = std::filesystem;

constexpr Millis kShortest{60'000};  // for the age of a file
constexpr std::string_view kPlain = ".log";
constexpr std::string_view kPacked = ".log.gz";
constexpr std::string_view kPacking = ".log.gz.new";

Error failed(const char* what, const fs::path& path) {
  return fail(ErrorKind::cannot_create,
              std::string("cannot ") + what + ' ' + path.string() + ": " + std::strerror(errno));
}

/// "20261128T210713.052Z", which sorts by time.
std::string stamp(Time time) {
  const auto ms = to_unix_ms(time);
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const auto size = std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &parts);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, size) + millis;
}

/// Writes `from` compressed to `to`, and removes `from`.
Result<void> pack(const fs::path& from, const fs::path& to, const fs::path& temporary) {
  const Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!in) return failed("read", from);
  Fd out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out) return failed("write", temporary);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> packed(::gzdopen(::dup(out.get()), "wb"), ::gzclose);
  if (!packed) return failed("write", temporary);
  std::vector<char> buffer(65'536);
  while (true) {
    const auto got = ::read(in.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", from);
    if (got == 0) break;
    if (::gzwrite(packed.get(), buffer.data(), static_cast<unsigned>(got)) != got)
      return failed("write", temporary);
  }
  if (::gzflush(packed.get(), Z_FINISH) != Z_OK) return failed("write", temporary);
  if (::rename(temporary.c_str(), to.c_str()) != 0) return failed("write", to);
  if (::unlink(from.c_str()) != 0) return failed("remove", from);
  return {};
}

}  // namespace

Result<void> LogFile::open(Time now) {
  if (auto made = make_private_folder(folder_); !made) return made;
  file_ = Fd(::open(path().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat state {};
  if (!file_ || ::fstat(file_.get(), &state) != 0) return failed("write", path());
  size_ = static_cast<std::uint64_t>(state.st_size);
  begun_ = now;
  return {};
}

Result<void> LogFile::write(std::string_view lines, Time now) {
  struct stat state {};
  // Removed, as by logrotate.
  if (file_ && (::fstat(file_.get(), &state) != 0 || state.st_nlink == 0)) file_ = Fd();
  if (!file_) {
    if (auto opened = open(now); !opened) return opened;
  }
  Result<void> closed;
  if (size_ > 0 &&
      (size_ + lines.size() > limits_.size || now > begun_ + std::clamp(limits_.age, kShortest, kLongest))) {
    closed = close(now);
    if (auto opened = open(now); !opened) return opened;
  }
  while (!lines.empty()) {
    const auto written = ::write(file_.get(), lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path());
    lines.remove_prefix(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
  return closed;
}

/// Closes the file and compresses it, and those that a crash has left.
Result<void> LogFile::close(Time now) {
  file_ = Fd();
  const auto old = folder_ / (name_ + '.' + stamp(now) + std::string(kPlain));
  if (::rename(path().c_str(), old.c_str()) != 0) return failed("rename", path());
  return tidy(now);
}

Result<void> LogFile::tidy(Time now) const {
  std::error_code error;
  std::vector<fs::path> packed;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    const auto file = at->path().filename().string();
    const auto middle = std::string_view(file).substr(0, file.find(kPlain, name_.size()));
    const auto ending = std::string_view(file).substr(middle.size());
    if (!file.starts_with(name_ + '.') || middle.size() <= name_.size() + 1) continue;
    if (ending == kPacking) ::unlink(at->path().c_str());
    if (ending == kPacked) packed.push_back(at->path());
    if (ending != kPlain) continue;
    const auto base = folder_ / std::string(middle);
    if (auto done =
            pack(at->path(), base.string() + std::string(kPacked), base.string() + std::string(kPacking));
        !done) {
      return done;
    }
    packed.push_back(base.string() + std::string(kPacked));
  }
  std::sort(packed.begin(), packed.end());
  packed.erase(std::unique(packed.begin(), packed.end()), packed.end());
  const auto oldest = name_ + '.' + stamp(now - limits_.age);
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (i + kMostOld < packed.size() || packed[i].filename().string() < oldest) ::unlink(packed[i].c_str());
  }
  return {};
}

}  // namespace smaster::agent
