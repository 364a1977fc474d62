// Keys beside the characters, which stand for themselves.
#pragma once

namespace smaster::watch {

/// Values beyond Unicode.
enum Key : char32_t {
  kUp = 0x110000,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kBackspace,
  kOther,  ///< has no meaning here
};

}  // namespace smaster::watch
