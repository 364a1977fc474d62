// Whole sessions: several clients at once, whose bytes come in any interleaving, with time, on polling,
// websockets and upgrades, against the Engine.IO session with the Socket.IO connection on top, and above that
// a program that answers, sends, broadcasts, fills queues and closes in the middle of it all. The transports
// here are those of net/, without sockets. What must hold: a session ends once, in time, and never inside a
// call that only sends; nothing is called after the end; messages arrive once and in order in both
// directions, over an upgrade too; what waits is bounded.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "json/json.hpp"
#include "wire/engineio/session.hpp"
#include "wire/socketio/connection.hpp"

namespace {

using namespace smaster;
using namespace smaster::engineio;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// The fuzzer's bytes; zeroes once they are used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  /// A length byte and that many bytes.
  std::string_view text() {
    const auto value = rest_.substr(0, std::min<std::size_t>(byte(), rest_.size()));
    rest_.remove_prefix(value.size());
    return value;
  }

 private:
  std::string_view rest_;
};

struct Message {
  bool binary = false;
  std::string data;
  bool operator==(const Message&) const = default;
};

/// A message that is read while it is sent, a few bytes at a time.
class Source final : public FrameSource {
 public:
  explicit Source(std::string bytes) : bytes_(std::move(bytes)) {}
  void read(std::size_t offset, Then then) override {
    then(bytes_.substr(std::min(offset, bytes_.size()), 7));
  }
  [[nodiscard]] std::size_t held() const override { return 7; }

 private:
  std::string bytes_;
};

/// A polling body, as it is sent piece by piece.
std::string encode(Payload payload) {
  PayloadEncoder encoder(std::move(payload));
  std::string body;
  while (!encoder.done()) {
    if (auto* const source = encoder.wants()) {
      source->read(encoder.offset(), [&](std::optional<std::string> bytes) { encoder.supply(*bytes); });
    }
    body += encoder.next();
  }
  return body;
}

/// All of a frame, as a websocket carries it.
std::string content(const Frame& frame) {
  if (!frame.source) return *frame.data + (frame.tail ? *frame.tail : "");
  std::string all;
  for (bool more = true; more;) {
    frame.source->read(all.size(), [&](std::optional<std::string> piece) {
      more = !piece->empty();
      all += *piece;
    });
  }
  return all;
}

constexpr Options kOptions{.ping_interval = Millis{300},
                           .ping_timeout = Millis{200},
                           .max_payload = 1000,
                           .upgrade_timeout = Millis{100},
                           .max_answer = 1000,
                           .max_queued = 2000};
constexpr Millis kPatience = kOptions.ping_interval + kOptions.ping_timeout;
constexpr Millis kConnectTimeout{450};
constexpr std::size_t kLargest = 300;  ///< bytes in one message that the program sends

class Client;

/// All clients, and the time.
struct World {
  std::array<std::unique_ptr<Client>, 3> clients;
  Instant now{};
  int reactions = 100;  ///< messages that the program still sends by itself
};

/// One client, its session, and the program's side of it.
class Client final : public SessionSink, public socketio::ConnectionSink {
 public:
  Client(World& world, Transport transport, bool text_only)
      : world_(world),
        text_only_(text_only),
        websocket_(transport == Transport::websocket),
        alive_until_(world.now + kPatience),
        session_(kOptions, transport, *this, world.now),
        connection_(*this, world.now + kConnectTimeout) {
    if (text_only) session_.set_text_only();
    require(json::valid(session_.handshake("sid").data->substr(1)), "the handshake is JSON");
  }

  // What a client's transports do.

  void poll() {
    Payload payload;
    const bool waited = waiting_;
    switch (session_.poll(payload)) {
      case Session::Answer::ok:
        return receive_payload(encode(std::move(payload)));
      case Session::Answer::waiting:
        require(!waited && !websocket_, "one poll waits at a time");
        waiting_ = true;
        return require(received_ == sent_.size(), "a poll waits only when all was sent");
      case Session::Answer::refused:
        return require(!waited || over_, "a second poll ends the session");
    }
  }
  void cancel_poll() {
    if (!std::exchange(waiting_, false)) return;
    session_.poll_cancelled();
    require(over_, "a session ends with its poll");
  }
  void post(std::string_view body) {
    deliveries_.clear();
    if (websocket_ || closed_) {
      require(session_.post(body, world_.now) == Session::Answer::refused && deliveries_.empty(),
              "a POST out of place is refused");
      return;
    }
    std::vector<Message> expected;
    bool proper = true;
    PayloadReader reader(body);
    for (auto segment = reader.next(); segment && expect(*segment, expected, proper);)
      segment = reader.next();
    const auto answer = session_.post(body, world_.now);
    check_deliveries(expected);
    if (!closed_)
      require((answer == Session::Answer::ok) == proper, "a POST is refused when it is malformed, only then");
  }
  void open_probe() {
    const bool kept = session_.probe_opened(world_.now);
    require(kept == (!probe_ && !websocket_ && !closed_), "one upgrade at a time");
    probe_ = probe_ || kept;
  }
  void probe_frame(bool binary, std::string_view data) {
    if (!probe_) return;
    session_.probe_frame(binary, data);
    if (websocket_ && !closed_) require(received_ == sent_.size(), "an upgrade loses nothing");
  }
  void close_probe() {
    if (std::exchange(probe_, false)) session_.probe_closed();
  }
  void frame(bool binary, std::string_view data) {
    if (!websocket_) return;
    deliveries_.clear();
    std::vector<Message> expected;
    bool proper = true;
    if (binary) {
      expected.push_back({true, std::string(data)});
    } else {
      expect(data, expected, proper);
    }
    session_.frame(binary, data, world_.now);
    check_deliveries(expected);
    require(proper || over_, "a malformed frame ends the session");
  }
  void lose_transport() {
    session_.closed_by_transport(CloseReason::transport_error);
    require(over_, "a session ends with its transport");
  }
  /// What a client that keeps to the protocol sends, on the transport that it has.
  void say(const std::vector<Message>& messages) {
    if (websocket_) {
      for (const auto& message : messages)
        frame(message.binary, message.binary ? message.data : '4' + message.data);
      return;
    }
    std::string body;
    for (const auto& message : messages) {
      append_to_payload(
          body, message.binary ? binary_frame(message.data) : text_frame(PacketType::message, message.data));
    }
    post(body);
  }

  // What the program above does.

  enum class Kind : std::uint8_t { text, binary, attachments, source, large };
  static constexpr unsigned kKinds = 5;
  void send(Kind kind) {
    if (over_ || !connection_.joined(socketio::kMainNamespace)) return;
    const auto number = std::to_string(sent_.size());
    switch (kind) {
      case Kind::text:
        return send_all(socketio::encode_event(socketio::kMainNamespace, "n", std::nullopt, {number}));
      case Kind::binary:
        return send_frame(binary_frame(number));
      case Kind::attachments:
        return send_all(socketio::encode_event(socketio::kMainNamespace, "n", 7,
                                               {R"({"_placeholder":true,"num":0})"}, {number}));
      case Kind::source:
        send_frame(
            socketio::event_frame(8, socketio::event_payload("n", {R"({"_placeholder":true,"num":0})"}), 1));
        return send_frame(
            {true, nullptr, nullptr, std::make_shared<Source>(number + " is read while it is sent")});
      case Kind::large:
        return send_frame(
            text_frame(PacketType::message, std::string(kLargest - number.size() - 1, 'x') + number));
    }
  }
  /// As in net/: what closes a session is in the middle of using it, or others, and hears of its end later.
  void close() {
    if (!std::exchange(closed_, true)) close_due_ = true;
  }
  void finish_close() {
    if (std::exchange(close_due_, false) && !over_) session_.close();
  }
  [[nodiscard]] bool close_due() const { return close_due_ && !over_; }

  // Time.

  [[nodiscard]] Instant deadline() const {
    return std::min(session_.deadline(), connection_.deadline().value_or(Instant::max()));
  }
  void tick() {
    session_.tick(world_.now);
    const auto joining = connection_.deadline();
    if (!over_ && joining && *joining <= world_.now) connection_.tick(world_.now);
    require(over_ || world_.now < alive_until_, "who does not answer pings is given up");
  }
  [[nodiscard]] bool over() const { return over_; }

  // engineio::SessionSink

  void deliver(bool binary, std::string_view data) override {
    require(!over_, "nothing is delivered after the end");
    if (closed_) return;
    deliveries_.push_back({binary, std::string(data)});
    connection_.receive(binary, data);
  }
  void answer_poll(Payload payload) override {
    require(!over_ && std::exchange(waiting_, false), "what is answered waits");
    receive_payload(encode(std::move(payload)));
  }
  void send_frame(Channel channel, const Frame& frame) override {
    require(!over_, "nothing is sent after the end");
    const auto text = content(frame);
    if (channel == Channel::probe)
      return require(probe_ && !frame.binary && text == "3probe", "a probe is answered, no more");
    require(websocket_, "frames go to a websocket that is open");
    require(!frame.binary || !text_only_, "who takes only text is sent only text");
    if (frame.binary) return receive({true, text});
    receive_packet(text);
  }
  void close_channel(Channel channel) override {
    require(!over_, "the end is the last");
    require(std::exchange(channel == Channel::main ? websocket_ : probe_, false), "what is closed is open");
  }
  void upgraded() override {
    require(!over_ && probe_ && !websocket_ && !waiting_, "an upgrade ends the polling");
    probe_ = false;
    websocket_ = true;
  }
  void ended(CloseReason) override {
    require(!over_, "a session ends once");
    require(!sending_, "a session does not end while it is sent to");
    require(!websocket_ && !probe_ && !waiting_, "nothing is left open");
    over_ = true;
    broadcast(Kind::text);
  }

  // socketio::ConnectionSink

  void send_frame(const Frame& frame) override {
    require(!over_, "nobody sends after the end");
    if (closed_) return;
    const auto text = content(frame);
    sent_.push_back({frame.binary, frame.binary ? text : text.substr(1)});
    sending_ = true;
    session_.send(frame);
    sending_ = false;
    closed_ = session_.overfull();
    if (closed_) return;
    require(waiting_bytes() <= kOptions.max_queued + kOptions.max_payload, "what waits is bounded");
    if (websocket_) require(received_ == sent_.size(), "a websocket is sent everything at once");
  }
  void close_session(std::string_view) override { close(); }
  std::string new_sid() override { return "sid"; }
  [[nodiscard]] bool has_namespace(std::string_view nsp) const override { return nsp.size() < 4; }
  void connected(std::string_view, std::string_view auth) override {
    require(!over_, "nobody joins after the end");
    require(json::valid(auth), "what is handed on is JSON");
  }
  void disconnected(std::string_view) override { require(!over_, "nobody leaves after the end"); }
  void event(std::string_view nsp, std::string_view name, std::optional<socketio::AckId> ack_id,
             socketio::Arguments arguments) override {
    check(nsp, arguments);
    const std::string what(name);
    if (ack_id && !over_) connection_.ack(nsp, *ack_id, arguments.json, arguments.attachments);
    for (const char step : what) react(step, arguments);
  }
  void acked(std::string_view nsp, socketio::AckId, socketio::Arguments arguments) override {
    check(nsp, arguments);
  }

 private:
  /// Adds what a packet from the client is to deliver; false when what follows it does not count.
  bool expect(std::string_view text, std::vector<Message>& expected, bool& proper) {
    std::string storage;
    const auto packet = decode(text, storage);
    proper = packet && packet->type != PacketType::open && packet->type != PacketType::ping &&
             packet->type != PacketType::upgrade;
    if (!proper || packet->type == PacketType::close) return false;
    if (packet->type == PacketType::message) expected.push_back({packet->binary, std::string(packet->data)});
    if (packet->type == PacketType::pong) alive_until_ = world_.now + kPatience;
    return true;
  }
  void check_deliveries(const std::vector<Message>& expected) const {
    require(deliveries_.size() <= expected.size() &&
                std::equal(deliveries_.begin(), deliveries_.end(), expected.begin()),
            "messages are delivered as they came");
    if (!closed_) require(deliveries_.size() == expected.size(), "no message is left out");
  }
  void check(std::string_view nsp, const socketio::Arguments& arguments) const {
    require(!over_ && !closed_ && connection_.joined(nsp), "events come between joining and the end");
    for (const auto argument : arguments.json) require(json::valid(argument), "what is handed on is JSON");
    require(arguments.attachments.size() <= socketio::kMaxAttachments, "attachments are bounded");
  }

  /// The program's answer to an event; its name says which.
  void react(char step, const socketio::Arguments& arguments) {
    if (over_ || world_.reactions <= 0) return;
    switch (step) {
      case 'e':
        --world_.reactions;
        return send_all(socketio::encode_event(socketio::kMainNamespace, "e", std::nullopt, arguments.json,
                                               arguments.attachments));
      case 'c':
        return close();
      case 'f':
        while (world_.reactions-- > 0 && !over_ && !closed_) send(Kind::large);
        return;
      case 'a':
        return broadcast(Kind::attachments);
      case 'k':
        return close_others();
      case 's':
        --world_.reactions;
        return send(Kind::source);
      default:
        return;
    }
  }
  void broadcast(Kind kind) {
    for (const auto& client : world_.clients) {
      if (client && world_.reactions-- > 0) client->send(kind);
    }
  }
  void close_others() {
    for (const auto& client : world_.clients) {
      if (client && client.get() != this && !client->over()) client->close();
    }
  }
  void send_all(const std::vector<Frame>& frames) {
    for (const auto& frame : frames) {
      if (!over_) send_frame(frame);
    }
  }

  [[nodiscard]] std::size_t waiting_bytes() const {
    std::size_t bytes = 0;
    for (auto at = received_; at < sent_.size(); ++at) bytes += sent_[at].data.size();
    return bytes;
  }

  // What the client is sent.

  void receive_payload(std::string_view body) {
    PayloadReader reader(body);
    while (const auto segment = reader.next()) receive_packet(*segment);
  }
  void receive_packet(std::string_view text) {
    std::string storage;
    const auto packet = decode(text, storage);
    require(packet.has_value(), "what is sent can be read");
    switch (packet->type) {
      case PacketType::message:
        return receive({packet->binary, std::string(packet->data)});
      case PacketType::close:
        return require(received_ == sent_.size(), "what was sent before the close comes before it");
      case PacketType::ping:
      case PacketType::noop:
        return;
      case PacketType::open:
      case PacketType::pong:
      case PacketType::upgrade:
        return require(false, "the server sends only what is the server's");
    }
  }
  void receive(const Message& message) {
    require(received_ < sent_.size() && sent_[received_] == message, "messages arrive once and in order");
    ++received_;
  }

  World& world_;
  const bool text_only_;
  bool websocket_;
  bool waiting_ = false;
  bool probe_ = false;
  bool closed_ = false;  ///< by the program, or about to be cut
  bool close_due_ = false;
  bool over_ = false;
  bool sending_ = false;
  Instant alive_until_;
  std::vector<Message> sent_;
  std::size_t received_ = 0;  ///< of those
  std::vector<Message> deliveries_;
  Session session_;
  socketio::Connection connection_;
};

/// Whatever the program has closed ends, and what it closes when it hears of that.
void settle(World& world) {
  for (bool again = true; again;) {
    again = false;
    for (const auto& client : world.clients) {
      if (!client || !client->close_due()) continue;
      client->finish_close();
      again = true;
    }
  }
}

/// Lets time pass as the timer does that drives all sessions: every deadline is looked at when it is due.
void pass(World& world, Millis time) {
  const auto target = world.now + time;
  for (int ticks = 0;; ++ticks) {
    require(ticks < 1000, "time goes on");
    Client* next = nullptr;
    for (const auto& client : world.clients) {
      if (client && !client->over() && (next == nullptr || client->deadline() < next->deadline()))
        next = client.get();
    }
    if (next == nullptr || next->deadline() > target) break;
    world.now = std::max(world.now, next->deadline());
    next->tick();
    settle(world);
  }
  world.now = target;
}

/// Some messages of a client that keeps to the protocol, or nearly.
std::vector<Message> messages(Input& input) {
  std::vector<Message> all;
  for (int count = input.byte() % 4; count >= 0; --count) {
    const auto kind = input.byte();
    const std::string name(input.text());
    const auto quoted = json::quote(name);
    switch (kind % 6) {
      case 0:
        all.push_back({false, "0"});
        break;
      case 1:
        all.push_back({false, "2[" + quoted + ",1]"});
        break;
      case 2:
        all.push_back({false, "25[" + quoted + "]"});
        break;
      case 3:
        all.push_back(
            {false, "52-[" + quoted + R"(,{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])"});
        all.push_back({true, name});
        all.push_back({true, "second"});
        break;
      case 4:
        all.push_back({(kind & 64) != 0, name});
        break;
      case 5:
        all.push_back({false, "37[null," + quoted + "]"});
        break;
    }
  }
  return all;
}

void act(World& world, std::unique_ptr<Client>& client, std::uint8_t action, Input& input) {
  if (action % 16 == 15) return pass(world, Millis{input.byte() * 2});
  if (!client) {
    const auto transport = (action & 16) != 0 ? Transport::websocket : Transport::polling;
    client = std::make_unique<Client>(world, transport, (action & 32) != 0);
    if ((action & 64) != 0) client->say({{false, "0"}});
    return;
  }
  switch (action % 16) {
    case 0:
    case 1:
      return client->poll();
    case 2:
      return client->cancel_poll();
    case 3:
      return client->post(input.text());
    case 4:
    case 5:
      return client->say(messages(input));
    case 6:
      return client->open_probe();
    case 7:
      return client->probe_frame(false, (action & 16) != 0 ? "5" : "2probe");
    case 8:
      return client->probe_frame((action & 16) != 0, input.text());
    case 9:
      return client->close_probe();
    case 10:
      return client->frame((action & 16) != 0, input.text());
    case 11:
      return client->lose_transport();
    case 12:
    case 13:
      return client->send(static_cast<Client::Kind>(input.byte() % Client::kKinds));
    case 14:
      return client->close();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  World world;
  while (!input.empty()) {
    const auto which = input.byte();
    const auto action = input.byte();
    act(world, world.clients[which % world.clients.size()], action, input);
    settle(world);
    // As in net/, what has ended is destroyed when the call that ended it has returned.
    for (auto& client : world.clients) {
      if (client && client->over()) client.reset();
    }
    world.reactions = 100;
  }
  return 0;
}
