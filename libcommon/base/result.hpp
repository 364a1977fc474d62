// Errors as values: a kind, which callers act on, and one clear sentence. Knows nothing of where errors come
// from.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace smaster {

/// Kinds of errors. Exit codes, HTTP statuses and acks are each derived from these in a single place.
enum class ErrorKind {
  usage,          ///< the request makes no sense
  bad_data,       ///< input that cannot be parsed or is out of range
  not_found,      ///< the thing named does not exist
  unavailable,    ///< the other side cannot be reached
  cannot_create,  ///< a file, folder or socket could not be created
  timed_out,      ///< no answer in time; retrying may help
  not_permitted,  ///< refused by permissions or policy
  bad_config,     ///< invalid settings
  internal,       ///< a bug, or another unexpected failure
};

/// An error: its kind, and a sentence with the problem, its place and the remedy.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
};

/// Boost.System's customisation point: the exception thrown by `result.value()` on errors.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(error.message);
}

template <class T>
using Result = boost::system::result<T, Error>;

[[nodiscard]] inline Error fail(ErrorKind kind, std::string message) {
  return Error{kind, std::move(message)};
}

}  // namespace smaster
