// A file on its way: without a name until it is whole, so that a crash leaves the old one or the new one. In
// the moment before it replaces another it has a temporary name, as always where a file system knows no files
// without one; what a killed process leaves by such a name goes with the next replacement in the folder.
// Errors are errno's.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace smaster {

/// What to do when the target exists already.
enum class IfExists { replace, refuse };

class NewFile {
 public:
  /// Begins one in this folder; none, with errno, where that fails.
  [[nodiscard]] static std::optional<NewFile> begin(Fd folder, mode_t mode);
  NewFile(NewFile&&) = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  [[nodiscard]] bool append(std::string_view data);
  /// Syncs it, puts it at `name` in its folder, and syncs that.
  [[nodiscard]] bool commit(const std::string& name, IfExists if_exists);
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  NewFile(Fd folder, Fd file, std::string temporary)
      : folder_(std::move(folder)), file_(std::move(file)), temporary_(std::move(temporary)) {}
  [[nodiscard]] bool name_it(const std::string& name);

  Fd folder_;
  Fd file_;
  std::string temporary_;  ///< the name that it has meanwhile, if any
};

}  // namespace smaster
