// Connections that wait for their peers, by address. When there is no room for another connection, one of
// them is dropped. No clock and no socket here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace smaster::net {

class Crowd {
 public:
  Crowd() = default;
  /// Members may outlive the crowd.
  ~Crowd() {
    for (auto& line : lines_) {
      for (auto& [address, members] : line.by_address) {
        for (auto* const member : members) member->waiting_ = false;
      }
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Order in which connections are dropped, first to last.
  enum class Rank : std::uint8_t {
    silent,  ///< the peer has to send a request or read an answer
    known,   ///< like `silent`, but the peer has proved its identity before
    reader,  ///< the peer follows a stream and has nothing to send; at most three quarters of all members
  };

  /// A connection that can be dropped while it waits for its peer.
  class Member {
   public:
    Member(Crowd& crowd, std::string address) : crowd_(crowd), address_(std::move(address)) {}
    virtual ~Member() { busy(); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    [[nodiscard]] const std::string& address() const { return address_; }

    /// Closes the connection. Must not call waits() again.
    virtual void drop() = 0;
    /// The connection waits for its peer, from now on.
    void waits(Rank rank) {
      busy();
      crowd_.add(*this, rank);
    }
    /// The connection is being served, or has ended.
    void busy() {
      if (waiting_) crowd_.remove(*this);
    }

   private:
    friend class Crowd;
    Crowd& crowd_;
    std::string address_;
    bool waiting_ = false;
    Rank rank_{};
    /// Positions in the list of its address, and in the list by age.
    std::list<Member*>::iterator place_{}, age_{};
  };

  /// A peer at this address has proved its identity. The address is remembered until kMostVouched other
  /// addresses have been vouched for since.
  void vouch(const std::string& address) {
    const auto found = vouched_.find(address);
    if (found != vouched_.end()) vouched_order_.erase(found->second);
    vouched_order_.push_back(address);
    vouched_[address] = std::prev(vouched_order_.end());
    if (vouched_order_.size() <= kMostVouched) return;
    vouched_.erase(vouched_order_.front());
    vouched_order_.pop_front();
  }
  [[nodiscard]] bool vouched(const std::string& address) const { return vouched_.contains(address); }

  /// Drops one waiting connection, of the lowest rank that has any; false if none waits. If one address has
  /// at least a quarter of that rank's connections, it is the oldest of that address, else the oldest of all:
  /// peers that have something to send send it soon.
  bool drop_one() {
    // Readers stay for long. Without this limit, new connections would be dropped before they have sent a
    // request.
    auto& readers = lines_.back();
    if (4 * readers.size > 3 * size()) return drop_of(readers);
    return std::any_of(lines_.begin(), lines_.end(), [this](auto& line) { return drop_of(line); });
  }

  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& line : lines_) size += line.size;
    return size;
  }

 private:
  struct Line {
    std::map<std::string, std::list<Member*>> by_address;  ///< oldest first
    std::set<std::pair<std::size_t, std::string>> by_size;
    std::list<Member*> by_age;
    std::size_t size = 0;
  };

  bool drop_of(Line& line) {
    if (line.size == 0) return false;
    const auto& [most, address] = *line.by_size.rbegin();
    auto& member = 4 * most >= line.size ? *line.by_address.at(address).front() : *line.by_age.front();
    remove(member);
    member.drop();
    return true;
  }

  void add(Member& member, Rank rank) {
    auto& line = lines_[static_cast<std::size_t>(rank)];
    auto& members = line.by_address[member.address_];
    line.by_size.erase({members.size(), member.address_});
    members.push_back(&member);
    ++line.size;
    line.by_size.emplace(members.size(), member.address_);
    member.place_ = std::prev(members.end());
    member.age_ = line.by_age.insert(line.by_age.end(), &member);
    member.rank_ = rank;
    member.waiting_ = true;
  }

  void remove(Member& member) {
    auto& line = lines_[static_cast<std::size_t>(member.rank_)];
    const auto found = line.by_address.find(member.address_);
    auto& members = found->second;
    line.by_size.erase({members.size(), member.address_});
    members.erase(member.place_);
    line.by_age.erase(member.age_);
    --line.size;
    member.waiting_ = false;
    if (members.empty()) {
      line.by_address.erase(found);
    } else {
      line.by_size.emplace(members.size(), member.address_);
    }
  }

  static constexpr std::size_t kMostVouched = 4096;

  std::array<Line, 3> lines_;             ///< by Rank
  std::list<std::string> vouched_order_;  ///< oldest first
  std::unordered_map<std::string, std::list<std::string>::iterator> vouched_;
};

}  // namespace smaster::net
