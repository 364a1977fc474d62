// A readiness that belongs to a descriptor which has been closed meanwhile.
#include "net/readable.hpp"

#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "loop_fixture.hpp"

namespace smaster::net {
namespace {

using PipeEnd = asio::posix::basic_stream_descriptor<Executor>;

class Readable : public LoopTest {
 protected:
  struct Ends {
    explicit Ends(asio::io_context& context) : read(context), write(context) {
      int ends[2];
      EXPECT_EQ(::pipe(ends), 0);
      read.assign(ends[0]);
      write.assign(ends[1]);
    }
    void fill() { EXPECT_EQ(::write(write.native_handle(), "x", 1), 1); }
    PipeEnd read, write;
  };
};

TEST_F(Readable, ADescriptorDoesNotInheritTheReadinessOfOneThatWasClosed) {
  Ends first(context_);
  Ends second(context_);
  std::optional<Ends> third;
  std::optional<ReadableWait<PipeEnd>> wait;
  bool told = false;
  first.read.async_wait(PipeEnd::wait_read, [&](boost::system::error_code) {
    second.read.close();
    third.emplace(context_);
    wait.emplace(third->read);
    wait->start([&] { told = true; });
  });
  second.read.async_wait(PipeEnd::wait_read, [](boost::system::error_code) {});
  poll();
  first.fill();
  second.fill();
  poll();
  ASSERT_TRUE(third);
  EXPECT_FALSE(told);
  third->fill();
  EXPECT_TRUE(run_until([&] { return told; }));
}

TEST_F(Readable, NothingIsToldAfterTheStop) {
  Ends pipe(context_);
  bool told = false;
  {
    ReadableWait wait(pipe.read);
    wait.start([&] { told = true; });
    poll();
    pipe.fill();
  }
  poll();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace smaster::net
