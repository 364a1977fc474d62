// Whole files, read and written so that a crash leaves the old one or the new one, never half of one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/new_file.hpp"
#include "base/result.hpp"

namespace smaster {

/// The file's bytes; not_found when there is none.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

/// Writes it beside the target without a name, with `mode`, syncs, and puts it in its place; on disk when it
/// returns. cannot_create says which step failed.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view data, mode_t mode,
                                      IfExists if_exists);

/// Makes the folder and its missing parents, itself with mode 0700; refuses one that exists and is not a
/// folder.
[[nodiscard]] Result<void> make_private_folder(const std::filesystem::path& path);

}  // namespace smaster
