#include "wire/shard/file_event.hpp"

#include <boost/json/object.hpp>
#include <utility>

#include "json/json.hpp"

namespace smaster::wire {

std::optional<FileName> read_file_name(std::string_view json) {
  if (auto name = json::unquote(json)) return FileName{std::move(*name), std::nullopt};
  const auto value = json::parse(json);
  if (!value || !value->is_object()) return std::nullopt;
  FileName file;
  std::int64_t mtime = -1;
  json::read(value->get_object(), "filename", file.name);
  json::read(value->get_object(), "mtime", mtime);
  if (mtime >= 0) file.mtime = from_unix_ms(mtime);
  return file.name.empty() ? std::nullopt : std::optional(std::move(file));
}

std::string file_name_json(const std::string& name, Time mtime) {
  return R"({"filename":)" + json::quote(name) + R"(,"mtime":)" + std::to_string(to_unix_ms(mtime)) + '}';
}

Result<FileEvent> read_file_event(socketio::Arguments arguments) {
  auto file = arguments.json.empty() ? std::nullopt : read_file_name(arguments.json.front());
  if (!file) return fail(ErrorKind::bad_data, "writeFile takes a name, or {filename, mtime}");
  FileEvent event{std::move(*file), FileEvent::What::keep, {}};
  const auto data = arguments.json.size() < 2 ? "null" : arguments.json[1];
  if (!arguments.attachments.empty()) {
    event.what = FileEvent::What::write;
    event.data = std::move(arguments.attachments.front());
  } else if (auto text = json::unquote(data)) {
    event.what = FileEvent::What::write;
    event.data = std::move(*text);
  } else if (data != "null") {
    return fail(ErrorKind::bad_data, "writeFile takes text, bytes or null");
  } else if (!event.file.mtime) {
    event.what = FileEvent::What::remove;
  }
  return event;
}

}  // namespace smaster::wire
