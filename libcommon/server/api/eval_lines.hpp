// The answers of an eval as lines.
#pragma once

#include <memory>
#include <vector>

#include "control/stream.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {

/// Asks shards, and pushes their answers as `smaster eval` prints them, then {"end": …}. Ends the eval when
/// the reader goes away. Instead of an answer for which there is no room a line says that it was dropped.
void eval_to_lines(Evals& evals, const std::shared_ptr<control::LineStream>& lines, Question question,
                   const std::vector<ShardId>& ids, Millis timeout);

}  // namespace smaster::server
