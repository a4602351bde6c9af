// Hazard 16, the part that qemu-user and TSan refuse: threads in the child of a program with threads.
#include <gtest/gtest.h>

#include <sennit/sennit.hpp>

#include "support/child.hpp"

namespace sennit::test {
namespace {

TEST(process_native, a_forked_child_may_start_a_runtime_of_its_own) {
  runtime rt({.workers = 2});
  rt.run([] {});
  EXPECT_EQ(in_child([] { return sennit::run({.workers = 2}, [] { return spawn([] {}).join(), 0; }); }), 0);
}

}  // namespace
}  // namespace sennit::test
