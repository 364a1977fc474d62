#include "wire/shard/file_event.hpp"

#include <gtest/gtest.h>

namespace smaster::wire {
namespace {

FileEvent event(std::vector<std::string_view> json, std::vector<std::string> attachments = {}) {
  socketio::Arguments arguments;
  arguments.json = std::move(json);
  arguments.attachments = std::move(attachments);
  auto read = read_file_event(std::move(arguments));
  EXPECT_TRUE(read);
  return read ? *read : FileEvent{};
}

TEST(FileEvent, NamesComeInTwoForms) {
  EXPECT_EQ(read_file_name(R"("a/b")")->name, "a/b");
  EXPECT_FALSE(read_file_name(R"("a/b")")->mtime);
  const auto timed = read_file_name(R"({"filename":"a","mtime":1700000000000})");
  EXPECT_EQ(timed->name, "a");
  EXPECT_EQ(timed->mtime, from_unix_ms(1'700'000'000'000));
  for (const auto* const wrong : {"5", "null", "{}", R"({"filename":5})", "[\"a\"]", "x"}) {
    EXPECT_FALSE(read_file_name(wrong)) << wrong;
  }
  EXPECT_EQ(read_file_name(file_name_json("a\"b", from_unix_ms(5)))->name, "a\"b");
}

TEST(FileEvent, DataIsTextOrBytesOrNothing) {
  const auto text = event({R"("a")", R"("text")"});
  EXPECT_EQ(text.what, FileEvent::What::write);
  EXPECT_EQ(text.data, "text");
  const auto bytes = event({R"("a")", R"({"_placeholder":true,"num":0})"}, {std::string("\0x", 2)});
  EXPECT_EQ(bytes.what, FileEvent::What::write);
  EXPECT_EQ(bytes.data, std::string("\0x", 2));
  EXPECT_EQ(event({R"("a")", "null"}).what, FileEvent::What::remove);
  EXPECT_EQ(event({R"({"filename":"a","mtime":5})", "null"}).what, FileEvent::What::keep);
  EXPECT_FALSE(read_file_event({}));
}

}  // namespace
}  // namespace smaster::wire
