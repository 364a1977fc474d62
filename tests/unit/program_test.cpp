// Other programs: what goes wrong in starting them leaves nothing behind.
#include "net/program.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdio>

#include "net/task_scope.hpp"

namespace smaster::net {
namespace {

/// From now on pidfd_open fails as it does when no descriptors are left.
bool without_pidfd() {
  sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMFILE),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{4, rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

std::optional<Result<Ended>> run(std::vector<std::string> command) {
  asio::io_context context{1};
  std::optional<Result<Ended>> ended;
  const auto task = [&]() -> Task<> {
    Program program;
    program.command = command;
    OnLine ignore = [](Output, std::string_view) {};
    ended = co_await run_program(context, std::move(program), std::move(ignore));
  };
  TaskScope tasks(context.get_executor(), "test");
  tasks.spawn("run", task());
  context.run();
  return ended;
}

/// The exit code of a child in which pidfd_open fails: 0 when all is as it should be.
int check_without_pidfd() {
  if (!without_pidfd()) return 10;
  const auto ended = run({"sleep", "600"});
  if (!ended || *ended) return 11;
  if (ended->error().kind != ErrorKind::unavailable) return 12;
  // Neither a zombie nor a program that runs on.
  return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD ? 0 : 13;
}

TEST(RunProgram, WhatCannotBeWatchedIsKilledAndReaped) {
  EXPECT_EXIT(std::_Exit(check_without_pidfd()), testing::ExitedWithCode(0), "");
}

TEST(RunProgram, SaysHowAProgramEnded) {
  const auto ended = run({"sh", "-c", "exit 3"});
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ((*ended)->exit_code, 3);
}

TEST(RunProgram, AProgramThatDoesNotExistIsNotTriedAgain) {
  const auto ended = run({"/nowhere/at/all"});
  ASSERT_TRUE(ended && !*ended);
  EXPECT_EQ(ended->error().kind, ErrorKind::cannot_create);
}

}  // namespace
}  // namespace smaster::net
