// Boost's header-only implementations, compiled once here.
#include <sys/epoll.h>

#include "base/waiting.hpp"

// Measures the event loop's turns without the time it waits (net/loop_watch.hpp).
#define epoll_wait smaster::wait_for_events
#include <boost/asio/impl/src.hpp>
#undef epoll_wait
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
#include <boost/json/src.hpp>
#include <boost/url/src.hpp>
