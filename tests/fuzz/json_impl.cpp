// Boost.JSON, compiled with the fuzzers' instrumentation.
#include <boost/json/src.hpp>
