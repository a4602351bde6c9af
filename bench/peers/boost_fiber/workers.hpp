#pragma once
// One worker with the default scheduler, or two that steal from each other.
#include <boost/fiber/all.hpp>

#include <mutex>
#include <thread>

/// f() in a fiber. Of two workers an idle one sleeps, as in the other systems.
inline void on_workers(unsigned workers, auto&& f) {
  namespace fibers = boost::fibers;
  if (workers == 1) return f();
  fibers::mutex m;
  fibers::condition_variable_any stop;
  bool stopped = false;
  std::thread second([&] {
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(2, true);
    std::unique_lock lock(m);
    stop.wait(lock, [&] { return stopped; });
  });
  fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(2, true);
  f();
  {
    const std::lock_guard lock(m);
    stopped = true;
  }
  stop.notify_all();
  second.join();
}
