#include <mach/mach.h>
#include <pthread.h>

#include "sched/thread_use.hpp"

namespace sennit::inline v0::detail {
namespace {

bool look(pthread_t thread, thread_basic_info& into) noexcept {
  mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
  return thread_info(pthread_mach_thread_np(thread), THREAD_BASIC_INFO, reinterpret_cast<thread_info_t>(&into),
                     &count) == KERN_SUCCESS;
}

nanos from(const time_value_t& t) noexcept { return nanos{t.seconds} * 1'000'000'000 + nanos{t.microseconds} * 1000; }

}  // namespace

nanos thread_cpu_time(pthread_t thread) noexcept {
  thread_basic_info info{};
  return look(thread, info) ? from(info.user_time) + from(info.system_time) : -1;
}

bool thread_waits(pthread_t thread) noexcept {
  thread_basic_info info{};
  return look(thread, info) && (info.run_state == TH_STATE_WAITING || info.run_state == TH_STATE_UNINTERRUPTIBLE);
}

}  // namespace sennit::inline v0::detail
