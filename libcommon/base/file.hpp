// Reading and writing of whole files. Writes are atomic: after a crash there is the old file or the new one.
// Blocks.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/new_file.hpp"
#include "base/result.hpp"

namespace smaster {

/// Larger files are not read, in bytes.
inline constexpr std::size_t kMaxFile = 16u << 20;

/// The content of a file of at most `most` bytes. Never waits for another program. Errors: not_found,
/// not_permitted, bad_data for a NUL in the path or a pipe, else cannot_create.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::size_t most = kMaxFile);
/// The same of any file, also a pipe from another program, of any size. Not for servers.
[[nodiscard]] Result<std::string> read_any_file(const std::filesystem::path& path);

/// Writes a new file with `mode` atomically: without a name first, synced, then moved to `path`. Durable when
/// it returns. Errors as for read_file; their texts name the step that failed.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view data, mode_t mode,
                                      IfExists if_exists);

/// Creates the folder with mode 0700, and missing parents. Errors: cannot_create if it exists and is no
/// folder.
[[nodiscard]] Result<void> make_private_folder(const std::filesystem::path& path);

}  // namespace smaster
