// Joins a packet with the attachments that follow it as binary messages: messages in, whole packets out. Both
// sides of a connection use it. Source: WIRE.md, "Socket.IO protocol 5".
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

/// What came with an event or an ack. The views are valid during the call only.
struct Arguments {
  std::vector<std::string_view> json;     ///< each one JSON value
  std::vector<std::string> attachments;   ///< what the placeholders in them stand for
  std::vector<std::string_view> names{};  ///< of the members of those that are objects (json::Elements)
};

/// A packet that is complete; its views are valid until the assembler's next call.
struct Assembled {
  Packet packet;
  std::vector<std::string> attachments;
};

class Assembler final : private AssemblyBudget::Holder {
 public:
  Assembler() = default;
  /// What it holds counts against the key.
  Assembler(const AssemblyBudget& budget, std::string key) : Holder(budget, std::move(key)) {}

  /// The packet that this message completes, or nothing while attachments are still to come. bad_data for
  /// everything that WIRE.md says closes the connection, and for what goes beyond the budget.
  [[nodiscard]] Result<std::optional<Assembled>> receive(bool binary, std::string_view data);

  /// Whether attachments are still to come.
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
  bool given_up_ = false;  ///< others needed the memory: the rest of its attachments cannot be used
  std::string complete_;   ///< the text of the packet handed out last, if it had attachments
};

/// An event's name without its quotes; takes it off the front of `arguments`.
[[nodiscard]] std::string take_event_name(std::vector<std::string_view>& arguments);

/// The frames of an event. `arguments` are JSON values; binary ones are placeholders for `attachments`.
[[nodiscard]] std::vector<engineio::Frame> encode_event(std::string_view nsp, std::string_view name,
                                                        std::optional<AckId> ack_id,
                                                        const std::vector<std::string_view>& arguments,
                                                        const std::vector<std::string>& attachments = {});

/// An event's payload, which many frames may share.
[[nodiscard]] std::shared_ptr<const std::string> event_payload(
    std::string_view name, const std::vector<std::string_view>& arguments);

/// The frame of an event with this payload that wants an answer, in the main namespace; before `attachments`
/// binary ones.
[[nodiscard]] engineio::Frame event_frame(AckId ack_id, std::shared_ptr<const std::string> payload,
                                          std::size_t attachments = 0);

/// The frames of the answer to an event that had this ack id.
[[nodiscard]] std::vector<engineio::Frame> encode_ack(std::string_view nsp, AckId ack_id,
                                                      const std::vector<std::string_view>& arguments,
                                                      const std::vector<std::string>& attachments = {});

}  // namespace smaster::socketio
