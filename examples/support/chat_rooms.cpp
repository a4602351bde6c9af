#include "support/chat_rooms.hpp"

#include <mutex>

namespace example {

void chat_rooms::move(chat_member& who, const std::string& room) {
  const std::lock_guard lock(mutex_);
  if (const auto old = rooms_.find(who.room); old != rooms_.end() && !who.room.empty()) {
    old->second.erase(&who);
    if (old->second.empty()) rooms_.erase(old);
    tell(who.room, "* " + who.name + " has left " + who.room + "\n");
  }
  who.room = closed_ ? "" : room;
  if (closed_) who.told_to_go.request_stop();
  if (who.room.empty()) return;
  rooms_[room].insert(&who);
  tell(room, "* " + who.name + " has joined " + room + "\n");
}

void chat_rooms::say(chat_member& who, const std::string& text) {
  const std::lock_guard lock(mutex_);
  tell(who.room, who.name + ": " + text + "\n");
}

void chat_rooms::tell(const std::string& room, const std::string& text) {
  const auto found = rooms_.find(room);
  if (found == rooms_.end()) return;
  for (chat_member* m : found->second) {
    std::string copy = text;
    if (!m->to_read.try_send(std::move(copy))) m->told_to_go.request_stop();
  }
}

void chat_rooms::close(const std::string& goodbye) {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& [room, members] : rooms_) {
    tell(room, goodbye);
    for (chat_member* m : members) m->told_to_go.request_stop();
  }
  rooms_.clear();  // nobody hears of the others' leaving
}

bool chat_rooms::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace example
