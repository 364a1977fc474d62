// The dashboard's files, which the build has put into the program.
#pragma once

#include <string_view>

namespace smaster::page {

struct File {
  std::string_view path;  ///< as a URL has it, such as "/page.js"
  const char* type;
  std::string_view content;
};

/// None: null.
[[nodiscard]] const File* find(std::string_view path);

}  // namespace smaster::page
