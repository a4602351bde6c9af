#pragma once
// Names for Unix sockets of tests.
#include <unistd.h>

#include <atomic>
#include <string>

#include <sennit/endpoint.hpp>

namespace sennit::test {

/// An abstract name that no other test has.
inline endpoint abstract_name() {
  static std::atomic<int> count{0};
  return "unix:@sennit-test-" + std::to_string(::getpid()) + '-' + std::to_string(++count);
}

}  // namespace sennit::test
