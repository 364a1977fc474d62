#include "net/stream.hpp"

#include <openssl/ssl.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>

#include "base/file.hpp"

namespace smaster::net {

namespace {

constexpr std::size_t kMaxPem = 1u << 20;  ///< of a file with certificates or a key, bytes

Result<void> use_pair(asio::ssl::context& context, const std::string& certificate, const std::string& key) {
  const auto wrong = [&](bool pair, const std::string& why) {
    return fail(ErrorKind::bad_config, (pair ? "cannot use the key " + key + " with" : "cannot use") +
                                           std::string(" the certificate ") + certificate + ": " + why);
  };
  const auto chain = read_file(certificate, kMaxPem);
  if (!chain) return wrong(false, chain.error().message);
  const auto secret = read_file(key, kMaxPem);
  if (!secret) return wrong(true, secret.error().message);
  boost::system::error_code error;
  if (context.use_certificate_chain(asio::buffer(*chain), error); error) return wrong(false, error.message());
  if (context.use_private_key(asio::buffer(*secret), asio::ssl::context::pem, error); error)
    return wrong(true, error.message());
  return {};
}

}  // namespace

Task<boost::system::error_code> Stream::start_tls(asio::ssl::context& context, const std::string& host) {
  tls_ = std::make_unique<asio::ssl::stream<Socket&>>(*socket_, context);
  tls_->set_verify_mode(asio::ssl::verify_peer);
  tls_->set_verify_callback(asio::ssl::host_name_verification(host));
  boost::system::error_code no_address;
  asio::ip::make_address(host, no_address);
  if (no_address)
    // SNI: which certificate we expect (RFC 6066, 3)
    SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
  boost::system::error_code error;
  co_await tls_->async_handshake(asio::ssl::stream_base::client, asio::redirect_error(use_task, error));
  co_return error;
}

Task<boost::system::error_code> Stream::accept_tls(asio::ssl::context& context) {
  tls_ = std::make_unique<asio::ssl::stream<Socket&>>(*socket_, context);
  boost::system::error_code error;
  co_await tls_->async_handshake(asio::ssl::stream_base::server, asio::redirect_error(use_task, error));
  co_return error;
}

std::string Stream::certificate_error() const {
  const auto code = tls_ ? SSL_get_verify_result(tls_->native_handle()) : X509_V_OK;
  return code == X509_V_OK ? "" : X509_verify_cert_error_string(code);
}

Result<std::shared_ptr<asio::ssl::context>> client_tls_context(const std::string& ca_file,
                                                               const std::string& certificate,
                                                               const std::string& key) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  context->set_default_verify_paths(error);
  if (error) return fail(ErrorKind::bad_config, "cannot read certificates: " + error.message());
  if (!ca_file.empty()) {
    const auto text = read_file(ca_file, kMaxPem);
    if (!text) return fail(ErrorKind::bad_config, "cannot use the certificates: " + text.error().message);
    context->add_certificate_authority(asio::buffer(*text), error);
    if (error) {
      return fail(ErrorKind::bad_config, "cannot read certificates from " + ca_file + ": " + error.message());
    }
  }
  if (!certificate.empty()) {
    if (auto used = use_pair(*context, certificate, key); !used) return used.error();
  }
  return context;
}

Result<std::shared_ptr<asio::ssl::context>> server_tls_context(const std::string& certificate,
                                                               const std::string& key) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  auto* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  // Ciphers of TLS 1.2; all of 1.3 are acceptable.
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(native,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Saves memory: idle connections keep no buffers.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  if (auto used = use_pair(*context, certificate, key); !used) return used.error();
  return context;
}

}  // namespace smaster::net
