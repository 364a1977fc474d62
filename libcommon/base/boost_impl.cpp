// Boost's header-only parts, compiled once here instead of in every file that uses them.
#include <sys/epoll.h>

#include "base/waiting.hpp"

// The loop's turns are measured without the time that it waits (net/loop_watch.hpp).
#define epoll_wait smaster::wait_for_events
#include <boost/asio/impl/src.hpp>
#undef epoll_wait
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
#include <boost/json/src.hpp>
#include <boost/url/src.hpp>
