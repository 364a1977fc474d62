// Writes a file atomically: it has no name until it is complete, so a crash leaves the old file or the new
// one. It gets a temporary name just before it replaces another file, or from the start on file systems
// without O_TMPFILE. A temporary file left by a killed process is removed by the next replacement in that
// folder. Errors are in errno.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace smaster {

/// What to do if the target exists.
enum class IfExists { replace, refuse };

class NewFile {
 public:
  /// Starts a file in this folder; nullopt with errno on errors.
  [[nodiscard]] static std::optional<NewFile> begin(Fd folder, mode_t mode);
  NewFile(NewFile&&) = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  [[nodiscard]] bool append(std::string_view data);
  /// Syncs the file, moves it to `name` in its folder, and syncs the folder.
  [[nodiscard]] bool commit(const std::string& name, IfExists if_exists);
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  NewFile(Fd folder, Fd file, std::string temporary)
      : folder_(std::move(folder)), file_(std::move(file)), temporary_(std::move(temporary)) {}
  [[nodiscard]] bool name_it(const std::string& name);

  Fd folder_;
  Fd file_;
  std::string temporary_;  ///< its temporary name; empty: none
};

}  // namespace smaster
