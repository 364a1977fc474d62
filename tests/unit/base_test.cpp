#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <span>

#include "base/file.hpp"
#include "base/text.hpp"
#include "crypto/authorization.hpp"
#include "crypto/fast_verify.hpp"
#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "net/address.hpp"

namespace smaster {
namespace {

/// A folder of this test's own, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = testing::TempDir() + "smaster-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(Durations, HaveAUnit) {
  EXPECT_EQ(parse_duration("250ms"), Millis{250});
  EXPECT_EQ(parse_duration("30s"), Millis{30'000});
  EXPECT_EQ(parse_duration("1.5h"), Millis{5'400'000});
  EXPECT_EQ(parse_duration("2d"), Millis{172'800'000});
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5y", "1e3s", "5s5", "99999999999d", "."})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Durations, AreFormattedAsTheyAreRead) {
  for (const char* text : {"0ms", "250ms", "30s", "90s", "5m", "24h", "2d"})
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
}

TEST(Files, AreReplacedWholeWithTheirMode) {
  const Folder folder;
  ASSERT_TRUE(write_file(folder / "f", "one", 0600, IfExists::refuse));
  EXPECT_EQ(mode_of(folder / "f"), 0600u);
  EXPECT_FALSE(write_file(folder / "f", "two", 0600, IfExists::refuse));
  EXPECT_EQ(*read_file(folder / "f"), "one");
  ASSERT_TRUE(write_file(folder / "f", "two", 0644, IfExists::replace));
  EXPECT_EQ(*read_file(folder / "f"), "two");
  EXPECT_EQ(mode_of(folder / "f"), 0644u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator((folder / "f").parent_path()), {}), 1)
      << "no temporary file is left";
}

TEST(Files, ANameThatAKilledProcessLeftIsRemovedByTheNextReplacement) {
  const Folder folder;
  const auto of = [&](pid_t pid) { return folder / (".smaster-" + std::to_string(pid) + "-0.tmp"); };
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  for (const auto& path : {of(dead), of(::getppid()), folder / ".smaster-x-0.tmp", folder / "f"})
    ASSERT_TRUE(write_file(path, "whole", 0600, IfExists::refuse));
  ASSERT_TRUE(write_file(folder / "f", "new", 0600, IfExists::replace));
  EXPECT_FALSE(std::filesystem::exists(of(dead)));
  EXPECT_TRUE(std::filesystem::exists(of(::getppid()))) << "somebody else's, who lives";
  EXPECT_TRUE(std::filesystem::exists(folder / ".smaster-x-0.tmp"));
}

TEST(Files, ErrorsNameTheFile) {
  const Folder folder;
  const auto missing = read_file(folder / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
}

TEST(File, WhatFailsInTheMiddleOfReadingIsAnErrorAndNoException) {
  // As a process' files in /proc do when it ends meanwhile.
  EXPECT_EQ(read_file("/proc/self/mem").error().message, "cannot read /proc/self/mem: Input/output error");
  EXPECT_FALSE(read_file("/proc"));
  EXPECT_FALSE(read_file("/proc/self/status")->empty());
}

TEST(Files, PrivateFoldersAreForTheirOwnerAlone) {
  const Folder folder;
  ASSERT_TRUE(make_private_folder(folder / "a/b/"));
  EXPECT_EQ(mode_of(folder / "a/b"), 0700u);
  ASSERT_TRUE(write_file(folder / "file", "", 0600, IfExists::refuse));
  EXPECT_FALSE(make_private_folder(folder / "file"));
}

TEST(Json, QuoteMakesAnyBytesValid) {
  EXPECT_EQ(json::quote("a\"\n\xC3\xA9"), "\"a\\\"\\n\xC3\xA9\"");
  for (const char* bytes : {"\xFF", "\xC3", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xC0\x80", "a\xE2\x82"})
    EXPECT_TRUE(json::valid(json::quote(bytes)));
}

TEST(Json, ArraysAreSplitWithoutBeingRebuilt) {
  const auto parts = json::split_array(R"( [1.0 , "a,]\"" ,{"x":[1,2]}, [ ] ,null] )");
  ASSERT_TRUE(parts);
  EXPECT_EQ(*parts, (std::vector<std::string_view>{"1.0", R"("a,]\"")", R"({"x":[1,2]})", "[ ]", "null"}));
  for (const char* text : {"", "[", "]", "{}", "[1,]", "[,1]", "[1 2]", "[1]x", "\"[]\""})
    EXPECT_FALSE(json::split_array(text)) << text;
  EXPECT_TRUE(json::split_array("[]")->empty());
}

TEST(Json, HalvesOfSurrogatePairsAreTakenAsJavaScriptWritesThem) {
  for (const char* text : {R"("\ud83d")", R"("\udE00x")", R"("\ud83d\ud83d\ude00")", R"({"a":"x\ud83d"})"}) {
    EXPECT_TRUE(json::valid(text)) << text;
    EXPECT_TRUE(json::parse(text)) << text;
  }
  EXPECT_EQ(json::unquote(R"("a\ud83db\ud83d\ude00")"),
            "a\xEF\xBF\xBD"
            "b\xF0\x9F\x98\x80");
  EXPECT_EQ(json::split_array(R"(["\ud83d",1])")->front(), R"("\ud83d")")
      << "what passes through stays as it is";
  for (const char* text : {R"("\ud83)", R"("\uZZZZ")", R"("\ud83d)", R"(\ud83d)"})
    EXPECT_FALSE(json::valid(text)) << text;
}

/// "name=value;" of each member.
std::string members(std::string_view object, std::span<const std::string_view> names = {}) {
  std::string text;
  for (json::Members reader(object, names); const auto member = reader.next();) {
    text.append(member->name).append("=").append(member->value).append(";");
  }
  return text;
}

TEST(Json, MembersAreFoundWithAndWithoutTheirNames) {
  const std::string packet =
      R"( ["status", {"a":1,"b" : "x,\"}]" , "c":{"d":[1,{"e":2}],"f":"]"},"":[ ] ,"g":-1.5e3 } ,{}, [{"h":1}], {"i":null}] )";
  const auto split = json::split(packet);
  ASSERT_TRUE(split);
  ASSERT_EQ(split->values.size(), 5u);
  EXPECT_EQ(split->values[0], R"("status")");
  const std::string expected = R"(a=1;b="x,\"}]";c={"d":[1,{"e":2}],"f":"]"};=[ ];g=-1.5e3;)";
  EXPECT_EQ(members(split->values[1]), expected);
  EXPECT_EQ(members(split->values[1], split->names), expected);
  EXPECT_EQ(members(split->values[2], split->names), "");
  EXPECT_EQ(members(split->values[4], split->names), "i=null;");
  EXPECT_EQ(split->values[3], R"([{"h":1}])");
}

TEST(Json, NamesThatCannotBePointedAtAreLeftOut) {
  EXPECT_TRUE(json::split(R"([{"a\u0062":1,"c":2}])")->names.empty());
  EXPECT_TRUE(json::split(R"([{"a":"\ud800","c":2}])")->names.empty());
  std::string many = "[{\"n\":0";
  for (int i = 0; i < 100; ++i) many += ",\"n" + std::to_string(i) + "\":0";
  EXPECT_TRUE(json::split(many + "}]")->names.empty());
}

TEST(Json, NumbersPrintAsJavaScriptPrintsThem) {
  EXPECT_EQ(json::number(0.25), "0.25");
  EXPECT_EQ(json::number(3), "3");
  EXPECT_EQ(json::number(-0.1), "-0.1");
  EXPECT_EQ(json::number(1.0 / 0.0), "null");
}

TEST(Keys, SignaturesVerifyWithTheirKeyAndTextAlone) {
  const auto keys = crypto::generate_key_pair(2048);
  const auto other = crypto::generate_key_pair(2048);
  ASSERT_TRUE(keys && other);
  const auto signer = crypto::Signer::load(keys->private_pem);
  ASSERT_TRUE(signer);
  EXPECT_EQ(signer->public_pem(), keys->public_pem);
  const auto signature = signer->sign("abc1700000000000");
  for (const auto verify : {crypto::verify, crypto::fast_verify}) {
    EXPECT_TRUE(verify(keys->public_pem, "abc1700000000000", signature));
    EXPECT_FALSE(verify(keys->public_pem, "abc1700000000001", signature));
    EXPECT_FALSE(verify(other->public_pem, "abc1700000000000", signature));
    for (const char* bad : {"", "!!!", "AAAA", "=="})
      EXPECT_FALSE(verify(keys->public_pem, "abc", bad)) << bad;
    EXPECT_FALSE(verify("no key", "abc", signature));
    // A key of another kind (Ed25519), and one whose numbers are none.
    EXPECT_FALSE(
        verify("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
               "-----END PUBLIC KEY-----\n",
               "abc1700000000000", signature));
    EXPECT_FALSE(verify(
        "-----BEGIN PUBLIC KEY-----\nMBowDQYJKoZIhvcNAQEBBQADCQAwBgIBAAIBAA==\n-----END PUBLIC KEY-----\n",
        "abc1700000000000", signature));
  }
  EXPECT_FALSE(crypto::Signer::load(keys->public_pem));
}

TEST(Keys, LengthsThatAreNoneAreRefused) {
  EXPECT_FALSE(crypto::generate_key_pair(1024));
  EXPECT_FALSE(crypto::generate_key_pair(1u << 20));
}

TEST(Authorization, IsNameSignatureAndTime) {
  const auto header = crypto::parse_authorization("abc,c2ln,1700000000000");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->name.str(), "abc");
  EXPECT_EQ(header->signature, "c2ln");
  EXPECT_EQ(to_unix_ms(header->time), 1'700'000'000'000);
  EXPECT_EQ(header->signed_text, "abc1700000000000");
}

TEST(Authorization, MalformedHeadersAreRefused) {
  for (const std::string text :
       {"", "abc", "abc,c2ln", "abc,,1", ",c2ln,1", "ab,c2ln,1", "ABC,c2ln,1", "abc,c2ln,", "abc,c2ln,x",
        "abc,c2ln,-1", "abc,c2ln,1.5", "abc,c2ln,1,2", "abc,c2 ln,1", "abc, c2ln,1", "abc,c2ln, 1",
        "abc,c2ln,99999999999999999999"}) {
    EXPECT_FALSE(crypto::parse_authorization(text)) << text;
  }
  EXPECT_FALSE(crypto::parse_authorization("abc," + std::string(10'000, 'A') + ",1"));
  EXPECT_FALSE(crypto::parse_authorization(std::string(100, 'a') + ",c2ln,1"));
}

TEST(Authorization, HeadersWorkOnce) {
  crypto::UsedHeaders used;
  const auto at = [](int ms) { return from_unix_ms(ms); };
  EXPECT_TRUE(used.insert("abc1", at(100), at(0)));
  EXPECT_FALSE(used.insert("abc1", at(100), at(50)));
  EXPECT_TRUE(used.contains("abc1"));
  EXPECT_TRUE(used.insert("abc2", at(300), at(200)));
  EXPECT_FALSE(used.contains("abc1")) << "too old to be accepted, so it need not be remembered";
}

TEST(Addresses, OnlyTrustedProxiesSpeakForOthers) {
  const auto ip = [](const char* text) { return boost::asio::ip::make_address(text); };
  const std::vector<net::Network> trusted{*net::parse_network("10.0.0.0/8"), *net::parse_network("::1")};
  const auto client = [&](const char* peer, const char* header) {
    return net::client_address(ip(peer), header, trusted).to_string();
  };
  EXPECT_EQ(client("192.0.2.1", "198.51.100.7"), "192.0.2.1") << "not trusted: its header is a claim";
  EXPECT_EQ(client("10.1.2.3", "198.51.100.7"), "198.51.100.7");
  EXPECT_EQ(client("10.1.2.3", "203.0.113.9, 198.51.100.7"), "198.51.100.7")
      << "the left one was the client's claim";
  EXPECT_EQ(client("10.1.2.3", "198.51.100.7, 10.9.9.9"), "198.51.100.7") << "two proxies of ours";
  EXPECT_EQ(client("::1", "2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(client("::ffff:10.1.2.3", "198.51.100.7"), "198.51.100.7");
  EXPECT_EQ(client("10.1.2.3", "nonsense"), "10.1.2.3");
  // Proxies add a line as often as an entry: the last line is the nearest one's.
  boost::beast::http::fields headers;
  headers.insert("X-Forwarded-For", "203.0.113.9");
  headers.insert("x-forwarded-for", "198.51.100.7, 10.9.9.9");
  EXPECT_EQ(client("10.1.2.3", net::forwarded_for(headers).c_str()), "198.51.100.7");
  const net::Proxies proxies({"10.0.0.0/8"});
  EXPECT_EQ(proxies.limit_key(ip("10.1.2.3"), net::forwarded_for(headers)), "198.51.100.7");
  EXPECT_EQ(net::Proxies().limit_key(ip("10.1.2.3"), net::forwarded_for(headers)), "10.1.2.3");
  EXPECT_EQ(client("10.1.2.3", ""), "10.1.2.3");
}

TEST(Addresses, AreLimitedByIPv4AddressOrIPv6Host) {
  const auto key = [](const char* text) { return net::limit_key(boost::asio::ip::make_address(text)); };
  EXPECT_EQ(key("192.0.2.1"), key("::ffff:192.0.2.1"));
  EXPECT_EQ(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
  EXPECT_NE(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
}

TEST(Addresses, NetworksAreAddressesWithAPrefix) {
  for (const char* text : {"10.0.0.0/33", "10.0.0/8", "x", "", "10.0.0.0/", "10.0.0.0/-1", "::1/129"})
    EXPECT_FALSE(net::parse_network(text)) << text;
}

}  // namespace
}  // namespace smaster
