#include <new>

#include <sennit/inspect.hpp>
#include <sennit/signal_set.hpp>

#include "base/log.hpp"
#include "base/system.hpp"
#include "sched/idle_thread.hpp"

namespace sennit::inline v0 {
namespace {

void dump(int fd) noexcept {
  std::error_code ec;
  try {
    dump_fibers(fd, ec);
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  if (ec) detail::log(log_level::warn, "no dump of the fibers: %s", ec.message().c_str());
}

}  // namespace

signal_dump::signal_dump(int signal, int fd) {
  // Made here, where its errors can be told; waited on by a plain thread, which no worker can hold up.
  thread_ = std::thread([set = signal_set{signal}, stop = stop_.get_token(), fd]() mutable {
    detail::name_this_thread("sennit-dump");
    const detail::idle_thread idle;
    std::error_code ec;
    for (set.wait(ec, stop); !ec; set.wait(ec, stop)) dump(fd);
  });
}

signal_dump::~signal_dump() {
  stop_.request_stop();
  thread_.join();
}

}  // namespace sennit::inline v0
