// Joins a packet with the attachments that follow it as binary messages: messages in, complete packets out.
// Used on both sides of a connection. Source: WIRE.md, "Socket.IO protocol 5".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "wire/engineio/packet.hpp"
#include "wire/socketio/assembly_budget.hpp"
#include "wire/socketio/packet.hpp"

namespace smaster::socketio {

/// The arguments of an event or an ack. The views are valid during the call only.
struct Arguments {
  std::vector<std::string_view> json;    ///< one JSON value each
  std::vector<std::string> attachments;  ///< the binary data that placeholders in `json` refer to
  /// Member names of those arguments that are objects (json::Elements).
  std::vector<std::string_view> names{};
};

/// A complete packet; its views are valid until the next call of the assembler.
struct Assembled {
  Packet packet;
  std::vector<std::string> attachments;
};

class Assembler final : private AssemblyBudget::Holder {
 public:
  Assembler() = default;
  /// With a limit: the memory of incomplete packets counts against `key`.
  Assembler(const AssemblyBudget& budget, std::string key) : Holder(budget, std::move(key)) {}

  /// Returns the packet that this message completes, or nullopt while attachments are missing. Errors:
  /// bad_data for all violations that close the connection according to WIRE.md, and if the budget is
  /// exceeded.
  [[nodiscard]] Result<std::optional<Assembled>> receive(bool binary, std::string_view data);

  /// True while attachments are missing.
  [[nodiscard]] bool incomplete() const { return partial_.has_value(); }

 private:
  void give_up() override {
    partial_.reset();
    given_up_ = true;
  }

  struct Partial {
    std::string text;
    std::size_t expected = 0;
    std::vector<std::string> attachments;
  };
  std::optional<Partial> partial_;
  /// The budget took its memory for another key: attachments that still arrive are dropped.
  bool given_up_ = false;
  std::string complete_;  ///< text of the packet returned last, if it had attachments
};

/// Removes the event name from the front of `arguments`, and returns it without quotes.
[[nodiscard]] std::string take_event_name(std::vector<std::string_view>& arguments);

/// The frames of an event. `arguments` are JSON values; binary ones contain placeholders for `attachments`.
[[nodiscard]] std::vector<engineio::Frame> encode_event(std::string_view nsp, std::string_view name,
                                                        std::optional<AckId> ack_id,
                                                        const std::vector<std::string_view>& arguments,
                                                        const std::vector<std::string>& attachments = {});

/// The payload of an event, to be shared by several frames.
[[nodiscard]] std::shared_ptr<const std::string> event_payload(
    std::string_view name, const std::vector<std::string_view>& arguments);

/// The first frame of an event in the main namespace; `attachments` binary frames must follow. With an
/// `ack_id` it wants an answer.
[[nodiscard]] engineio::Frame event_frame(std::optional<AckId> ack_id,
                                          std::shared_ptr<const std::string> payload,
                                          std::size_t attachments = 0);

/// The frames of an answer to the event with this ack id.
[[nodiscard]] std::vector<engineio::Frame> encode_ack(std::string_view nsp, AckId ack_id,
                                                      const std::vector<std::string_view>& arguments,
                                                      const std::vector<std::string>& attachments = {});

/// The frames of an answer in the main namespace: an error (JSON, null if there is none) and a result, which
/// may be megabytes. Neither the result nor an attachment is copied.
[[nodiscard]] std::vector<engineio::Frame> encode_result(AckId ack_id, std::string_view error,
                                                         std::string result,
                                                         std::vector<std::string> attachments);

}  // namespace smaster::socketio
