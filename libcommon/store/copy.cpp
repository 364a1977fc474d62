#include "store/copy.hpp"

#include <botan/hash.h>
#include <botan/hex.h>

#include <algorithm>
#include <map>
#include <utility>

#include "store/row.hpp"

namespace smaster::store {
namespace {

constexpr std::size_t kAtOnce = 500;

struct Content {
  std::vector<fleet::ShardInfo> shards;  ///< sorted by name
  std::map<std::string, std::string> notes;
};

Result<Content> read(Store& store) {
  auto shards = store.load_registry();
  if (!shards) return shards.error();
  std::sort(shards->begin(), shards->end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const auto names = store.notes();
  if (!names) return names.error();
  Content content{std::move(*shards), {}};
  for (const auto& name : *names) {
    if (name == kMasterKeyNote) continue;
    auto text = store.load_note(name);
    if (!text) return text.error();
    content.notes.emplace(name, std::move(*text));
  }
  return content;
}

Checksum sum(const Content& content) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  // With the length of each text, so that different registries cannot yield the same input.
  const auto add = [&](const std::string& text) {
    hash->update(std::to_string(text.size()) + ':');
    hash->update(text);
  };
  for (const auto& shard : content.shards) add(to_text(shard));
  for (const auto& [name, text] : content.notes) {
    add(name);
    add(text);
  }
  return {content.shards.size(), content.notes.size(), Botan::hex_encode(hash->final(), false)};
}

}  // namespace

Result<Checksum> checksum(Store& store) {
  const auto content = read(store);
  if (!content) return content.error();
  return sum(*content);
}

Result<Checksum> copy(Store& from, Store& to, const std::function<void(std::size_t, std::size_t)>& progress) {
  const auto content = read(from);
  if (!content) return content.error();
  const auto there = to.load_registry();
  if (!there) return there.error();
  if (!there->empty()) {
    return fail(ErrorKind::not_permitted, "the store to copy to has " + std::to_string(there->size()) +
                                              " shards already; nothing was written");
  }
  const auto all = content->shards.size() + content->notes.size();
  std::size_t done = 0;
  for (const auto& [name, text] : content->notes) {
    if (auto saved = to.save_note(name, text); !saved) return saved.error();
    progress(++done, all);
  }
  for (auto at = content->shards.begin(); at != content->shards.end();) {
    const auto end = at + std::min<std::ptrdiff_t>(kAtOnce, content->shards.end() - at);
    if (auto saved = to.save({at, end}); !saved) return saved.error();
    done += static_cast<std::size_t>(end - at);
    progress(done, all);
    at = end;
  }
  const auto expected = sum(*content);
  const auto arrived = checksum(to);
  if (!arrived) return arrived.error();
  if (*arrived != expected) {
    return fail(ErrorKind::bad_data,
                "what was read back is not what was written: " + std::to_string(arrived->shards) + " of " +
                    std::to_string(expected.shards) + " shards, SHA-256 " + arrived->sha256 + " instead of " +
                    expected.sha256);
  }
  return expected;
}

}  // namespace smaster::store
