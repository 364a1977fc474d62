// Connections whose peers are waited for, by address: when there is no room for another one, one is dropped.
// No clock and no socket here.
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
  /// Its members may come to their ends later.
  ~Crowd() {
    for (auto& line : lines_) {
      for (auto& [address, members] : line.by_address) {
        for (auto* const member : members) member->waiting_ = false;
      }
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Who goes first when there is no room.
  enum class Rank : std::uint8_t {
    silent,  ///< it has yet to send a request, or to take an answer
    known,   ///< the same, but it has shown whose it is before
    reader,  ///< it follows what comes, and has nothing to say; three quarters at most
  };

  /// A connection that may be dropped while its peer is waited for.
  class Member {
   public:
    Member(Crowd& crowd, std::string address) : crowd_(crowd), address_(std::move(address)) {}
    virtual ~Member() { busy(); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    [[nodiscard]] const std::string& address() const { return address_; }

    /// Closes the connection, which is not to wait again.
    virtual void drop() = 0;
    /// Its peer is waited for, from now on.
    void waits(Rank rank) {
      busy();
      crowd_.add(*this, rank);
    }
    /// It is being served, or over.
    void busy() {
      if (waiting_) crowd_.remove(*this);
    }

   private:
    friend class Crowd;
    Crowd& crowd_;
    std::string address_;
    bool waiting_ = false;
    Rank rank_{};
    std::list<Member*>::iterator place_{}, age_{};  ///< among those of its address, of all
  };

  /// Somebody at this address has shown whose it is: its connections are as good as known from now on, until
  /// kMostVouched others have shown it since.
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

  /// Drops one; false when nobody is waited for. Of an address that has a quarter of those who are waited for
  /// or more, it is the one that was silent for longest; else the one that was so of all: whoever has
  /// something to say says it soon.
  bool drop_one() {
    // Readers stay for long: without a bound to them who comes next would be dropped before it has said
    // anything.
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
    std::map<std::string, std::list<Member*>> by_address;  ///< the oldest first
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
  std::list<std::string> vouched_order_;  ///< the latest last
  std::unordered_map<std::string, std::list<std::string>::iterator> vouched_;
};

}  // namespace smaster::net
