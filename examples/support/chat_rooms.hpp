#pragma once
// Who is in which room, and what they have still to read.
#include <map>
#include <memory>
#include <set>
#include <string>

#include <sennit/sennit.hpp>

namespace example {

/// One who chats. Owned by its session; the rooms refer to it while it is in one.
struct chat_member {
  explicit chat_member(std::string who, std::size_t waiting) : name(std::move(who)), to_read(waiting) {}

  const std::string name;
  sennit::channel<std::string> to_read;  // its session writes them to the client, in order
  sennit::stop_source told_to_go;        // ends its session
  std::string room;                      // guarded by the rooms' mutex
};

/// Shared by all sessions.
class chat_rooms {
 public:
  /// Leaves the room where it is, if any, and joins that one; an empty name: none.
  void move(chat_member& who, const std::string& room);
  /// To all who are in the same room. Who has not read what waits already is too slow, and told to go: nobody waits for
  /// it.
  void say(chat_member& who, const std::string& text);
  /// Tells everybody, and lets nobody in any more.
  void close(const std::string& goodbye);
  [[nodiscard]] bool closed();

 private:
  void tell(const std::string& room, const std::string& text);

  sennit::mutex mutex_;
  std::map<std::string, std::set<chat_member*>> rooms_;
  bool closed_ = false;
};

}  // namespace example
