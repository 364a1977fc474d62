// smaster keygen: generates an RSA key pair in two files.
#include "base/file.hpp"
#include "crypto/keys.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("keygen", "Make an RSA key pair, NAME.priv (0600) and NAME.pub",
                   "  smaster keygen\n  smaster keygen --out /etc/smaster --name shardMaster");
  std::string folder = ".";
  std::string name = "shardMaster";
  unsigned bits = crypto::kKeyBits;
  bool force = false;
  tool.app.add_option("--out", folder, "Folder to write to, made if missing")
      ->type_name("DIR")
      ->capture_default_str();
  tool.app.add_option("--name", name, "Name of the two files")->type_name("NAME")->capture_default_str();
  tool.app.add_option("--bits", bits, "Length of the key; shards use 4096")
      ->type_name("BITS")
      ->check(CLI::Range(2048u, 16384u))
      ->capture_default_str();
  tool.app.add_flag("--force", force, "Overwrite existing files");

  return tool.run(argc, argv, [&] {
    if (name.empty() || name.find('/') != std::string::npos) {
      return tool.report(fail(ErrorKind::usage, "--name is the name of a file, not a path"));
    }
    const auto private_path = std::filesystem::path(folder) / (name + ".priv");
    const auto public_path = std::filesystem::path(folder) / (name + ".pub");
    if (!force) {
      for (const auto& path : {private_path, public_path}) {
        std::error_code ignored;
        if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
          return tool.report(fail(ErrorKind::cannot_create,
                                  path.string() + " exists; move it away, or overwrite it with --force"));
        }
      }
    }
    if (auto made = make_private_folder(folder); !made) return tool.report(made.error());
    const auto keys = crypto::generate_key_pair(bits);
    if (!keys) return tool.report(keys.error());
    const auto if_exists = force ? IfExists::replace : IfExists::refuse;
    if (auto done = write_file(private_path, keys->private_pem, 0600, if_exists); !done) {
      return tool.report(done.error());
    }
    if (auto done = write_file(public_path, keys->public_pem, 0644, if_exists); !done) {
      return tool.report(done.error());
    }
    tools::print(private_path.string() + '\n' + public_path.string() + '\n');
    return static_cast<int>(tools::kDone);
  });
}
