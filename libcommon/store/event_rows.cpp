#include "store/event_rows.hpp"

#include <soci/soci.h>

#include <algorithm>
#include <utility>

namespace smaster::store {

std::string events_table(const std::string& table) {
  return "CREATE TABLE IF NOT EXISTS " + table +
         " (id bigint PRIMARY KEY, kind text NOT NULL, audit int NOT NULL, shard text NOT NULL, "
         "ids text NOT NULL, event text NOT NULL)";
}

std::vector<fleet::Event> select_events(soci::session& sql, const std::string& table,
                                        const fleet::EventQuery& query) {
  // Lists are texts with commas around each element, so that one LIKE finds an element.
  std::string kinds;
  for (const auto kind : query.kinds) kinds += ',' + std::string(fleet::traits(kind).word);
  if (!kinds.empty()) kinds += ',';
  const std::string id = query.id ? "%," + std::to_string(query.id->value) + ",%" : "";
  const auto after = static_cast<long long>(query.after);
  const auto limit = static_cast<long long>(query.limit);
  const int audit = query.audit ? 1 : 0;
  std::string text;
  soci::statement select =
      (sql.prepare
           << "SELECT event FROM " + table +
                  " WHERE id > :after AND audit >= :audit AND (:shard = '' OR shard = :shard) AND "
                  "(:ids = '' OR ids LIKE :ids) AND (:kinds = '' OR :kinds LIKE '%,' || kind || ',%') "
                  "ORDER BY id DESC LIMIT :most",
       soci::into(text), soci::use(after, "after"), soci::use(audit, "audit"),
       soci::use(query.shard, "shard"), soci::use(id, "ids"), soci::use(kinds, "kinds"),
       soci::use(limit, "most"));
  select.execute();
  std::vector<fleet::Event> events;
  while (select.fetch()) {
    if (auto event = fleet::parse_event(text)) events.push_back(std::move(*event));
  }
  std::reverse(events.begin(), events.end());
  return events;
}

void insert_events(soci::session& sql, const std::string& table, const std::vector<fleet::Event>& events) {
  long long id = 0;
  int audit = 0;
  std::string kind, ids, text, shard;
  soci::statement insert =
      (sql.prepare << "INSERT INTO " + table +
                          " VALUES (:id, :kind, :audit, :shard, :ids, :event) ON CONFLICT "
                          "DO NOTHING",
       soci::use(id), soci::use(kind), soci::use(audit), soci::use(shard), soci::use(ids), soci::use(text));
  for (const auto& event : events) {
    const auto& about = fleet::traits(event.kind);
    id = static_cast<long long>(event.id);
    kind = about.word;
    audit = about.audit ? 1 : 0;
    shard = event.shard;
    ids = event.ids.empty() ? "" : ',' + event.ids + ',';
    text = fleet::to_text(event);
    insert.execute(true);
  }
}

void delete_events(soci::session& sql, const std::string& table, Time oldest, std::size_t most) {
  const auto before = static_cast<long long>(fleet::first_event_id(oldest));
  const auto kept = static_cast<long long>(most);
  sql << "DELETE FROM " + table + " WHERE id < :before", soci::use(before);
  sql << "DELETE FROM " + table + " WHERE id <= (SELECT id FROM " + table +
             " ORDER BY id DESC LIMIT 1 OFFSET :kept)",
      soci::use(kept);
}

}  // namespace smaster::store
