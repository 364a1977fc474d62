// Errors as values: what went wrong, in one clear sentence, with the kind that decides what to do about it.
// Knows nothing of where errors come from.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace smaster {

/// What sort of failure it is; one place each turns it into an exit code, an HTTP status or an ack.
enum class ErrorKind {
  usage,          ///< the caller asked for something that makes no sense
  bad_data,       ///< input that does not parse or does not fit
  not_found,      ///< the thing named does not exist
  unavailable,    ///< the other side cannot be reached
  cannot_create,  ///< a file, folder or socket could not be made
  timed_out,      ///< no answer in time; trying again may help
  not_permitted,  ///< refused by rights or policy
  bad_config,     ///< the settings are wrong
  internal,       ///< everything that should not happen
};

/// A failure: its kind and a sentence that says what, where and what to do.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
};

/// Boost.System's customisation point: what `result.value()` throws on an error.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

template <class T>
using Result = boost::system::result<T, Error>;

[[nodiscard]] inline Error fail(ErrorKind kind, std::string message) {
  return Error{kind, std::move(message)};
}

}  // namespace smaster
