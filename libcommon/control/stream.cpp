#include "control/stream.hpp"

#include <spdlog/spdlog.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace smaster::control {

namespace http = boost::beast::http;

LineStream::LineStream(const net::Executor& executor, const char* type_)
    : type(type_), wake_(executor), space_(executor) {}

bool LineStream::offer(std::string line) {
  if (gone_) return true;  // no reader: the line can be dropped
  if (!has_room(line.size())) return false;
  add(std::move(line));
  return true;
}

bool LineStream::has_room(std::size_t bytes) const {
  if (lines_.empty() || bytes_ + bytes <= kOwnRoom) return true;
  return bytes_ + bytes <= kRoom && waiting_in_all_ + bytes <= kRoomOfAll;
}

void LineStream::push(std::string line) {
  if (gone_) return;
  if (!lines_.empty() && bytes_ + line.size() > kRoom + kReserve) {
    spdlog::warn("a reader of an answer has left {} bytes of it unread; it is cut off", bytes_);
    cut_off();
    return;
  }
  add(std::move(line));
}

void LineStream::cut_off() {
  leave();
  if (drop_) drop_();
}

net::Task<bool> LineStream::room() {
  while (!gone_ && bytes_ >= kOwnRoom) co_await space_.wait();
  co_return !gone_;
}

void LineStream::finish() {
  finished_ = true;
  wake_.notify();
}

void LineStream::add(std::string line) {
  bytes_ += line.size();
  waiting_in_all_ += line.size();
  lines_.push_back(std::move(line));
  wake_.notify();
}

std::string LineStream::take() {
  constexpr std::size_t kAtOnce = 65'536;
  std::string lines;
  do {
    const auto& line = lines_.front();
    const auto part = std::min(line.size() - taken_, kAtOnce);
    lines.append(line, taken_, part);
    taken_ += part;
    bytes_ -= part;
    waiting_in_all_ -= part;
    if (taken_ < line.size()) break;
    lines += '\n';
    lines_.pop_front();
    taken_ = 0;
  } while (!lines_.empty() && lines.size() + lines_.front().size() < kAtOnce);
  if (bytes_ < kOwnRoom) space_.notify();
  return lines;
}

void LineStream::leave() {
  gone_ = true;
  waiting_in_all_ -= std::exchange(bytes_, 0);
  lines_.clear();
  taken_ = 0;
  wake_.notify();
  space_.notify();
}

Call to_call(const http::request_header<>& request) {
  Call call{std::string(request.method_string()), "", {}, "", nullptr, request};
  if (const auto url = boost::urls::parse_origin_form(request.target())) {
    call.path = url->path();
    for (const auto& parameter : url->params()) call.query.emplace(parameter.key, parameter.value);
  }
  return call;
}

}  // namespace smaster::control
