// The events writeFile and getFile of the shard protocol as types, the same for both directions. Source:
// WIRE.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::wire {

/// A file name with an optional modification time: `"name"` or `{"filename":"name","mtime":ms}`.
struct FileName {
  std::string name;
  std::optional<Time> mtime;
};

/// nullopt if the JSON has neither form.
[[nodiscard]] std::optional<FileName> read_file_name(std::string_view json);
[[nodiscard]] std::string file_name_json(const std::string& name, Time mtime);

/// The contents of a writeFile event.
struct FileEvent {
  enum class What {
    write,   ///< `data` is the file's content
    remove,  ///< null data and a plain name: delete the file
    keep,    ///< null data and a time: a getFile found no newer file
  };
  FileName file;
  What what = What::keep;
  std::string data;
};

/// Errors: bad_data if these are no arguments of writeFile.
[[nodiscard]] Result<FileEvent> read_file_event(socketio::Arguments arguments);

}  // namespace smaster::wire
