#include "agent/shard_config.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/file.hpp"
#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// Reads one entry of `host`. The error continues a sentence that starts with the file's name.
Result<MasterAddress> read_master(const boost::json::value& value) {
  std::string protocol, host, prefix;
  std::int64_t port = 0;
  if (value.is_object()) {
    const auto& where = value.get_object();
    json::read(where, "protocol", protocol);
    json::read(where, "host", host);
    json::read(where, "port", port);
    json::read(where, "path", prefix);
  }
  const auto wrong = [](const char* what) { return fail(ErrorKind::bad_config, what); };
  if (protocol != "http:" && protocol != "https:")
    return wrong(R"("host.protocol" is not "http:" or "https:")");
  if (host.empty()) return wrong("\"host.host\" is missing");
  if (has_nul(host) || has_nul(prefix)) return wrong("\"host\" has a NUL character in it");
  if (port < 1 || port > 65535) return wrong("\"host.port\" is not a port");
  if (!prefix.starts_with('/') || !prefix.ends_with('/'))
    return wrong("\"host.path\" does not begin and end with \"/\"");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return MasterAddress{protocol == "https:", std::move(host), static_cast<std::uint16_t>(port),
                       prefix + "master/"};
}

/// Reads `host`: an object, or a list of them.
Result<std::vector<MasterAddress>> read_masters(const boost::json::object& config) {
  const auto* const host = config.if_contains("host");
  std::vector<boost::json::value> entries;
  if (host != nullptr && host->is_array()) {
    entries.assign(host->get_array().begin(), host->get_array().end());
  } else {
    entries.push_back(host == nullptr ? boost::json::value() : *host);
  }
  if (entries.empty()) return fail(ErrorKind::bad_config, "\"host\" is an empty list");
  std::vector<MasterAddress> masters;
  for (const auto& entry : entries) {
    auto master = read_master(entry);
    if (!master) return master.error();
    masters.push_back(std::move(*master));
  }
  return masters;
}

}  // namespace

std::string MasterAddress::url() const {
  const auto shown = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return (tls ? "https://" : "http://") + shown + ':' + std::to_string(port) + path;
}

bool ShardConfig::tls() const {
  return std::any_of(masters.begin(), masters.end(), [](const auto& master) { return master.tls; });
}

Result<ShardConfig> load_shard_config(const std::filesystem::path& path) {
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorKind::bad_config,
                path.string() + ": " + what + "; make a new config with \"smaster genconfig\" on the master");
  };
  const auto text = read_file(path);
  if (!text) return fail(ErrorKind::bad_config, text.error().message);
  const auto value = json::parse(*text);
  if (!value) return wrong(value.error().message);
  if (!value->is_object()) return wrong("not a JSON object");
  const auto& object = value->get_object();

  std::string id, private_key, public_key, master_key, algorithm;
  json::read(object, "id", id);
  json::read(object, "privKey", private_key);
  json::read(object, "pubKey", public_key);
  json::read(object, "masterPubKey", master_key);
  json::read(object, "signAlgorithm", algorithm);
  const auto name = ShardName::parse(id);
  if (!name) return wrong("\"id\" is not three or more letters a-z");
  auto masters = read_masters(object);
  if (!masters) return wrong(masters.error().message);
  if (algorithm != "RSA-SHA256") return wrong("\"signAlgorithm\" is not \"RSA-SHA256\"");
  auto signer = crypto::Signer::load(private_key);
  if (!signer) return wrong("\"privKey\" is " + signer.error().message);
  if (const auto good = crypto::check_public_key(master_key); !good) {
    return wrong("\"masterPubKey\" is " + good.error().message);
  }
  if (!crypto::verify(public_key, id, signer->sign(id)))
    return wrong("\"privKey\" and \"pubKey\" are no pair");
  return ShardConfig{*name, std::move(*masters), std::move(*signer), std::move(master_key), path};
}

Result<void> write_master_key(const std::filesystem::path& path, const std::string& master_key) {
  const auto text = read_file(path);
  if (!text) return text.error();
  auto value = json::parse(*text);
  if (!value || !value->is_object())
    return fail(ErrorKind::bad_config, path.string() + ": not a JSON object");
  value->get_object()["masterPubKey"] = master_key;
  return write_file(path, json::serialize(*value) + '\n', 0600, IfExists::replace);
}

bool open_to_others(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

}  // namespace smaster::agent
