#pragma once
// What the process has of the system, for tests that must leave nothing behind, and its threads. Each system tells in a
// way of its own.
#include <cstddef>
#include <string>

namespace sennit::test {

/// How many descriptors this process has, and how many of them are of that kind ("socket", "io_uring").
inline std::size_t open_descriptors(const std::string& kind = "");
inline std::size_t threads_of_process();
/// Whether every other thread of this process sleeps in the kernel.
inline bool others_sleep();
/// Sends a signal to every other thread of this process, again and again, until `more()`, called after each round, is
/// false.
template <class F>
void signal_others(int signal, F&& more);

}  // namespace sennit::test

#if defined(__APPLE__)
#include "support/process_counts_darwin.hpp"
#else
#include "support/process_counts_linux.hpp"
#endif
