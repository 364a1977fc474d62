#include "fleet/seat.hpp"

#include <algorithm>
#include <initializer_list>

namespace smaster::fleet {

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::away:
      return "away";
    case Stage::unheard:
      return "unheard";
    case Stage::untold:
      return "untold";
    case Stage::waiting:
      return "waiting";
    case Stage::told:
      return "told";
    case Stage::parked:
      return "parked";
    case Stage::stopping:
      return "stopping";
  }
  return "";
}

bool may_follow(Stage from, Stage to) {
  using enum Stage;
  const auto is_one = [to](std::initializer_list<Stage> stages) {
    return std::find(stages.begin(), stages.end(), to) != stages.end();
  };
  switch (from) {
    case away:
      return is_one({unheard, untold});
    case unheard:
      return is_one({untold, away});
    case untold:
      return is_one({waiting, told, parked, stopping, away});
    case waiting:
      return is_one({told, untold, stopping, away});
    case told:
    case parked:
      return is_one({untold, stopping, away});
    case stopping:
      return is_one({untold, away});
  }
  return false;
}

}  // namespace smaster::fleet
