// Writes an eval's answers as JSON lines.
#pragma once

#include <memory>
#include <vector>

#include "control/stream.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {

/// Starts an eval and writes its answers as `smaster eval` prints them, then {"end": …}. Cancels the eval
/// when the reader disconnects. An answer that does not fit into the stream's buffer is replaced by a line
/// with an error.
void eval_to_lines(Evals& evals, const std::shared_ptr<control::LineStream>& lines, Question question,
                   const std::vector<ShardId>& ids, Millis timeout,
                   std::function<void(const std::string& outcome)> on_end = {});

}  // namespace smaster::server
