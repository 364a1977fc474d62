// smaster store copy: copies the registry to another store.
#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <memory>

#include "base/fd.hpp"

#include "store/copy.hpp"
#include "store/open.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

struct Opened {
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Election> election;  ///< for shared stores only
  Fd lock;                                    ///< lock of the server's state folder, for SQLite

  Opened() = default;
  Opened(Opened&&) = default;
  Opened& operator=(Opened&&) = default;
  ~Opened() {
    if (election) election->resign();
  }
};

/// Opens "sqlite:FILE", or a URL as in [store] url.
Result<Opened> open(const std::string& where, const store::StoreOptions& options, bool must_exist) {
  constexpr std::string_view kFile = "sqlite:";
  Opened opened;
  if (where.starts_with(kFile)) {
    const std::filesystem::path path = where.substr(kFile.size());
    std::error_code ignored;
    if (must_exist && !std::filesystem::exists(path, ignored)) {
      return fail(ErrorKind::unavailable, "there is no file " + path.string());
    }
    opened.lock = Fd(::open((path.parent_path() / "lock").c_str(), O_RDONLY | O_CLOEXEC));
    if (opened.lock.get() >= 0 && ::flock(opened.lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(ErrorKind::not_permitted, "a server uses " + path.string() + ": stop it first");
    }
    auto file = store::open_sqlite(path);
    if (!file) return file.error();
    opened.store = std::move(*file);
    return opened;
  }
  auto shared = store::open_shared(where, options);
  if (!shared) return fail(shared.error().kind, "a store " + shared.error().message + ", or \"sqlite:FILE\"");
  opened.store = std::move(shared->store);
  opened.election = std::move(shared->election);
  return opened;
}

/// Becomes the leader, like a server, so that no other process writes during the copy.
Result<void> take_lead(Opened& opened) {
  if (!opened.election) return {};
  const auto standing = opened.election->campaign({"store-copy", "", SMASTER_VERSION, {}, {}});
  if (!standing) return standing.error();
  if (standing->leads) return {};
  return fail(ErrorKind::not_permitted, "the server at " + standing->leader.url +
                                            " leads: stop all servers that share the store first");
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("store", "Copy the registry from one store to another, and check that it has arrived",
                   "  smaster store copy sqlite:/var/lib/smaster/smaster.db etcd://a:2379/smaster\n"
                   "  smaster store copy etcd://a:2379/smaster sqlite:./smaster.db");
  std::string from, to;
  store::StoreOptions options;
  options.lease = Millis{60'000};
  tool.app.require_subcommand(1);
  tool.app.fallthrough();
  auto* const copy = tool.app.add_subcommand("copy", "Copy all shards, the goal and the identify budget");
  copy->add_option("FROM", from, "sqlite:FILE, etcd://…, etcds://… or postgresql://…")->required();
  copy->add_option("TO", to, "The same; it must have no shards yet")->required();
  tool.app.add_option("--ca-file", options.ca_file, "More certificate authorities for etcds URLs")
      ->type_name("FILE");

  return tool.run(argc, argv, [&] {
    auto source = open(from, options, true);
    if (!source) return tool.report(source.error());
    auto target = open(to, options, false);
    if (!target) return tool.report(target.error());
    for (auto* const opened : {&*source, &*target}) {
      if (auto leads = take_lead(*opened); !leads) return tool.report(leads.error());
    }
    tools::Progress progress(true);
    const auto copied = store::copy(*source->store, *target->store, [&](std::size_t done, std::size_t all) {
      progress.update(static_cast<std::int64_t>(done), static_cast<std::int64_t>(all), "written");
    });
    progress.finish();
    if (!copied) return tool.report(copied.error());
    tools::print_line(std::to_string(copied->shards) + " shards and " + std::to_string(copied->notes) +
                      " notes copied and read back, SHA-256 " + copied->sha256);
    return static_cast<int>(tools::kDone);
  });
}
