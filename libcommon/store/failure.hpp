// What failed in a database, in words for operators.
#pragma once

#include <exception>
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace smaster::store {

/// The database's message, without the SQL that SOCI adds to it.
[[nodiscard]] std::string database_message(const std::exception& error);

/// Of a call on SQLite's file: "cannot WHAT FILE: …"; or kDiskFull, if that is why.
[[nodiscard]] Error file_error(const std::string& what, const std::filesystem::path& file,
                               const std::exception& error);

}  // namespace smaster::store
