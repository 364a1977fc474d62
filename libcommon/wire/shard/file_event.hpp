// The shard protocol's writeFile and getFile (WIRE.md) as types, the same for both directions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::wire {

/// A file's name, and its time if one came with it: `"name"` or `{"filename":"name","mtime":ms}`.
struct FileName {
  std::string name;
  std::optional<Time> mtime;
};

/// Nothing when the JSON is neither.
[[nodiscard]] std::optional<FileName> read_file_name(std::string_view json);
[[nodiscard]] std::string file_name_json(const std::string& name, Time mtime);

/// What a writeFile wants.
struct FileEvent {
  enum class What {
    write,   ///< `data` is the file's content
    remove,  ///< null data and a plain name
    keep,    ///< null data and a time: the answer to a getFile that has nothing to give
  };
  FileName file;
  What what = What::keep;
  std::string data;
};

/// bad_data with a sentence when the arguments are none of writeFile's.
[[nodiscard]] Result<FileEvent> read_file_event(socketio::Arguments arguments);

}  // namespace smaster::wire
