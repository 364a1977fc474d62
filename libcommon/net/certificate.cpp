#include "net/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

#include "base/file.hpp"
#include "net/address.hpp"

namespace smaster::net {
namespace {

constexpr std::size_t kMaxCertificate = 1u << 20;  ///< bytes of a file

Time to_time(const ASN1_TIME* at) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(at, &parts) != 1) return {};
  return from_unix_ms(std::int64_t{::timegm(&parts)} * 1000);
}

}  // namespace

Result<Certificate> Certificate::read(const std::filesystem::path& path) {
  const auto text = read_file(path, kMaxCertificate);
  if (!text) return text.error();
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(
      BIO_new_mem_buf(text->data(), static_cast<int>(text->size())), BIO_free);
  std::shared_ptr<X509> x509(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr), X509_free);
  if (!x509) return fail(ErrorKind::bad_config, path.string() + " has no certificate in PEM format");
  return Certificate(std::move(x509));
}

Time Certificate::begins() const { return to_time(X509_get0_notBefore(x509_.get())); }
Time Certificate::ends() const { return to_time(X509_get0_notAfter(x509_.get())); }

bool Certificate::is_for(const std::string& host) const {
  return is_address(host) ? X509_check_ip_asc(x509_.get(), host.c_str(), 0) == 1
                          : X509_check_host(x509_.get(), host.c_str(), host.size(), 0, nullptr) == 1;
}

}  // namespace smaster::net
