#include "store/failure.hpp"

#include <soci/soci.h>

#include "store/store.hpp"

namespace smaster::store {

std::string database_message(const std::exception& error) {
  const auto* const known = dynamic_cast<const soci::soci_error*>(&error);
  return known == nullptr ? error.what() : known->get_error_message();
}

Error file_error(const std::string& what, const std::filesystem::path& file, const std::exception& error) {
  constexpr std::uintmax_t kNoSpace = 65'536;  // bytes; SQLite enlarges its log's index by 32 KiB
  const auto message = database_message(error);
  std::error_code unknown;
  // Where its log's index has no space, SQLite reports an I/O error.
  const bool full = message.find("disk is full") != std::string::npos ||
                    (message.find("disk I/O error") != std::string::npos &&
                     std::filesystem::space(file.parent_path(), unknown).available < kNoSpace && !unknown);
  return full ? fail(ErrorKind::cannot_create, kDiskFull + file.string() + " cannot be written")
              : fail(ErrorKind::cannot_create, "cannot " + what + ' ' + file.string() + ": " + message);
}

}  // namespace smaster::store
