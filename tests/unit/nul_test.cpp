// Text with U+0000 in it never becomes a shorter text.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.hpp"
#include "json/json.hpp"
#include "net/http_client.hpp"
#include "net/program.hpp"
#include "settings/settings.hpp"
#include "wire/shard/file_event.hpp"

namespace smaster {
namespace {

using namespace std::string_literals;

TEST(Nul, JsonTextKeepsIt) {
  const auto object = json::parse(R"({"name":"a\u0000b"})")->as_object();
  std::string name;
  json::read(object, "name", name);
  EXPECT_EQ(name, "a\0b"s);
  EXPECT_EQ(wire::read_file_name(R"({"filename":"config\u0000.txt"})")->name, "config\0.txt"s);
}

TEST(Nul, NoFileIsNamedSo) {
  const auto path = std::filesystem::temp_directory_path() / "smaster-nul\0.txt"s;
  EXPECT_FALSE(write_file(path, "x", 0600, IfExists::replace));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::temp_directory_path() / "smaster-nul"));
  const auto read = read_file("/dev/null\0.txt"s);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("NUL"), std::string::npos);
  EXPECT_FALSE(make_private_folder(path));
}

TEST(Nul, NoProgramGetsAShorterArgument) {
  net::asio::io_context context;
  std::optional<Result<net::Ended>> ended;
  net::Program program;
  program.command = {"/bin/echo", "a\0b"s};
  net::asio::co_spawn(
      context, net::run_program(context, program, [](net::Output, std::string_view) {}),
      [&](const std::exception_ptr&, Result<net::Ended> result) { ended = std::move(result); });
  context.run();
  ASSERT_TRUE(ended);
  ASSERT_FALSE(*ended);
  EXPECT_NE(ended->error().message.find("NUL"), std::string::npos);
}

TEST(Nul, NoHostIsNamedSo) {
  EXPECT_FALSE(net::parse_host_port("example.org\0.evil.org:80"s));
  EXPECT_FALSE(net::parse_http_url("http://example.org%00.evil.org/"));
}

TEST(Nul, SettingsSayWhere) {
  for (const std::string text :
       {"project_dir = \"/srv\\u0000/x\"", "trusted_proxies = [\"10.0.0.1\\u0000\"]"}) {
    const auto settings = server::parse_settings("[server]\n" + text, "f.toml", {});
    ASSERT_FALSE(settings);
    EXPECT_TRUE(settings.error().message.starts_with("f.toml:2:")) << settings.error().message;
    EXPECT_NE(settings.error().message.find("NUL"), std::string::npos) << settings.error().message;
  }
  EXPECT_FALSE(server::parse_settings("[mail]\nenv = {\"A\\u0000\" = \"x\"}", "f", {}));
}

}  // namespace
}  // namespace smaster
