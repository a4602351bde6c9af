// Hazard 23, with SENNIT_DEBUG_CHECKS (the asan lane): a wait inside the initialiser of a function-local static is
// noticed.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

#include <sennit/sennit.hpp>

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

int waits() {
  this_fiber::sleep_for(1ms);
  return 1;
}
int fails() { throw std::runtime_error("not yet"); }
template <class F>
int initialised(F initialiser) {
  static const int value = initialiser();
  return value;
}

TEST(static_guards_death_test, a_wait_inside_an_initialiser_is_reported) {
  EXPECT_DEATH(sennit::run([] { return initialised(waits); }), "do not wait inside the initialiser");
}

TEST(static_guards_test, initialisers_that_do_not_wait_and_waits_after_them_are_fine) {
  sennit::run([] {
    EXPECT_THROW(initialised(fails), std::runtime_error);
    this_fiber::sleep_for(1ms);
    EXPECT_EQ(initialised([] { return initialised([] { return 7; }); }), 7);
    this_fiber::sleep_for(1ms);
  });
}

}  // namespace
}  // namespace sennit::test
