// The used headers of revoked shards. If a name and key return, for example by an import, these headers must
// not be accepted again. No clock here.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "records/used_times.hpp"

namespace smaster::fleet {

class Revoked {
 public:
  void add(const ShardName& name, const UsedTimes& used, Time now);
  /// The headers used under this name; none if it was revoked before `oldest`, since they have expired.
  [[nodiscard]] UsedTimes used(const ShardName& name, Time oldest) const;
  /// Drops entries revoked before `oldest`.
  void drop(Time oldest);

  /// Text for the store: one line per name.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static Revoked parse(std::string_view text);

 private:
  struct Entry {
    UsedTimes used;
    Time at;
  };
  std::map<ShardName, Entry> entries_;
};

}  // namespace smaster::fleet
