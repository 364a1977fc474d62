#include "store/open.hpp"

#include "net/stream.hpp"
#include "store/etcd.hpp"
#include "store/postgresql.hpp"

namespace smaster::store {
namespace {

bool is_etcd(const std::string& url) { return url.starts_with("etcd://") || url.starts_with("etcds://"); }
bool is_postgresql(const std::string& url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

Error no_store() {
  return fail(ErrorKind::bad_config,
              "takes \"etcd://a:2379,b:2379,c:2379/smaster\", the same with etcds, or \"postgresql://…\"");
}

}  // namespace

Result<void> check_url(const std::string& url) {
  if (is_etcd(url)) {
    const auto options = parse_etcd_url(url, nullptr);
    return options ? Result<void>() : options.error();
  }
  return is_postgresql(url) ? check_postgresql_url(url) : no_store();
}

Result<SharedStore> open_shared(const std::string& url, const StoreOptions& options) {
  if (auto good = check_url(url); !good) return good.error();
  if (is_postgresql(url)) return open_postgresql(url, options.lease);
  std::shared_ptr<net::asio::ssl::context> tls;
  if (url.starts_with("etcds:")) {
    auto context = net::client_tls_context(options.ca_file, options.certificate, options.key);
    if (!context) return context.error();
    tls = std::move(*context);
  }
  auto etcd = parse_etcd_url(url, tls);
  if (!etcd) return etcd.error();
  return open_etcd(std::move(*etcd), options.lease);
}

Result<std::unique_ptr<HistoryStore>> open_history(const std::string& url) {
  if (!is_postgresql(url)) return fail(ErrorKind::bad_config, "takes \"postgresql://…\"");
  if (auto good = check_postgresql_url(url); !good) return good.error();
  return open_postgresql_history(url);
}

}  // namespace smaster::store
