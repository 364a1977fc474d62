// Addresses of stores and servers, as settings and configs have them.
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "store/etcd_client.hpp"
#include "store/open.hpp"

namespace smaster {
namespace {

TEST(EtcdUrl, HasServersAndMayHaveUserAndPrefix) {
  const auto plain = store::parse_etcd_url("etcd://a", nullptr);
  ASSERT_TRUE(plain) << plain.error().message;
  ASSERT_EQ(plain->endpoints.size(), 1u);
  EXPECT_EQ(plain->endpoints[0].host, "a");
  EXPECT_EQ(plain->endpoints[0].port, 2379);
  EXPECT_EQ(plain->endpoints[0].path, "/v3/");
  EXPECT_EQ(plain->prefix, "smaster/");
  EXPECT_EQ(plain->user, "");

  const auto full = store::parse_etcd_url("etcd://sm%40ster:a%3Ab@10.0.0.1:1,[::1]:2,c/one/two", nullptr);
  ASSERT_TRUE(full) << full.error().message;
  ASSERT_EQ(full->endpoints.size(), 3u);
  EXPECT_EQ(full->endpoints[0].port, 1);
  EXPECT_EQ(full->endpoints[1].host, "::1");
  EXPECT_EQ(full->endpoints[1].port, 2);
  EXPECT_EQ(full->endpoints[2].port, 2379);
  EXPECT_EQ(full->prefix, "one/two/");
  EXPECT_EQ(full->user, "sm@ster");
  EXPECT_EQ(full->password, "a:b");
}

TEST(EtcdUrl, WhatIsWrongIsRefusedWithoutThePassword) {
  for (const char* const url :
       {"", "etcd", "etcd://", "etcd:///smaster", "http://a", "etcd://a:0", "etcd://a:x", "etcd://a:99999",
        "etcd://a b", "etcd://user:geheim@", "etcd://u:geheim@a:x"}) {
    const auto parsed = store::parse_etcd_url(url, nullptr);
    ASSERT_FALSE(parsed) << url;
    EXPECT_EQ(parsed.error().message.find("geheim"), std::string::npos) << url;
    EXPECT_FALSE(store::check_url(url)) << url;
  }
  EXPECT_FALSE(store::check_url("postgresql://u:geheim@h/db?nonsense=1"));
  EXPECT_TRUE(store::check_url("postgresql://u@h/db"));
  EXPECT_FALSE(store::open_history("etcd://a"));
}

TEST(EtcdUrl, RangesOfAPrefixEndBehindIt) {
  EXPECT_EQ(store::range_end("smaster/"), "smaster0");
  EXPECT_EQ(store::from_base64(store::to_base64("a\0b")), "a");
  EXPECT_EQ(store::from_base64("no base64!"), "");
}

TEST(ServerUrl, IsHttpWithAHostAndNothingBehindThePort) {
  const auto https = net::parse_http_url("https://a.example.org");
  ASSERT_TRUE(https);
  EXPECT_TRUE(https->secure);
  EXPECT_EQ(https->endpoint.port, 443);
  const auto v6 = net::parse_http_url("http://[::1]:8024/");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->endpoint.host, "::1");
  for (const char* const url :
       {"", "a:8024", "ftp://a", "http://", "http://a/b", "http://a?b", "http://u@a", "http://a:0"}) {
    EXPECT_FALSE(net::parse_http_url(url)) << url;
  }
  EXPECT_EQ(net::parse_host_port("[::1]:8024")->host, "::1");
  for (const char* const text : {"", "a", "a:", "a:b", ":8024", "http://a:1", "a:1/b"}) {
    EXPECT_FALSE(net::parse_host_port(text)) << text;
  }
}

}  // namespace
}  // namespace smaster
