// What a certificate file says: until when it is valid, and for which hosts. Blocks.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/types.hpp"

struct x509_st;

namespace smaster::net {

class Certificate {
 public:
  /// Reads the first certificate of a PEM file. Errors: those of read_file; bad_config if it has none.
  [[nodiscard]] static Result<Certificate> read(const std::filesystem::path& path);

  /// It is valid from `begins` to `ends`; the epoch for a time that cannot be read.
  [[nodiscard]] Time begins() const;
  [[nodiscard]] Time ends() const;
  /// True if it is valid for this host name or IP address.
  [[nodiscard]] bool is_for(const std::string& host) const;

 private:
  explicit Certificate(std::shared_ptr<x509_st> x509) : x509_(std::move(x509)) {}
  std::shared_ptr<x509_st> x509_;
};

}  // namespace smaster::net
