// Runs commands of smaster for the live view, and reads what they print.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::tools {

class Commands {
 public:
  struct Events {
    std::function<void(int run, std::string_view bytes)> output;
    std::function<void(int run, int code)> ended;
  };
  /// `socket`: the server's control socket.
  Commands(std::string socket, Events events);
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  /// Starts `smaster WORDS`; its output and errors go to `output`.
  void start(int run, const std::vector<std::string>& words);
  void stop(int run);
  /// Appends what is to be waited for.
  void wait_for(std::vector<pollfd>& files) const;
  /// Reads what there is.
  void read();

 private:
  struct Child {
    int pid = -1;
    int file = -1;
  };
  static int end(const Child& child);

  std::string socket_;
  Events events_;
  std::map<int, Child> children_;  ///< by run
};

}  // namespace smaster::tools
