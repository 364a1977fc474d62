#include "store/election.hpp"

#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::store {

std::string to_text(const Member& member) {
  return json::serialize(boost::json::object{{"name", member.name},
                                             {"url", member.url},
                                             {"version", member.version},
                                             {"started", to_unix_ms(member.started)},
                                             {"leadsSince", to_unix_ms(member.leads_since)}});
}

Result<Member> parse_member(std::string_view text) {
  const auto value = json::parse(text);
  Member member;
  if (value && value->is_object()) {
    const auto& object = value->get_object();
    json::read(object, "name", member.name);
    json::read(object, "url", member.url);
    json::read(object, "version", member.version);
    json::read(object, "started", member.started);
    json::read(object, "leadsSince", member.leads_since);
  }
  if (member.name.empty()) return fail(ErrorKind::bad_data, "what a server said of itself cannot be read");
  return member;
}

}  // namespace smaster::store
