// kevent(2) as its manuals (macOS, FreeBSD) have it, statement by statement: what the kqueue backend may rely on, and
// what tests/support/kqueue has to be. The filters are in kqueue_filters_test.cpp.
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "support/kqueue_events.hpp"

namespace sennit::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// "The kqueue() system call creates a new kernel event queue and returns a descriptor."
TEST(kqueue_contract, s01_a_queue_is_a_descriptor) {
  const queue q;
  EXPECT_GE(::fcntl(q.fd.get(), F_GETFD), 0);
  const queue other;
  EXPECT_NE(q.fd.get(), other.fd.get());
  EXPECT_EQ(q.size(), 0U);
}

// "The queue is not inherited by a child created with fork(2)."
TEST(kqueue_contract, s02_a_child_does_not_inherit_it) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    event e;
    const bool gone = ::kevent(q.fd.get(), nullptr, 0, &e, 1, &at_once) == -1 && errno == EBADF;
    ::close(pair.a.get());  // the parent's registration stays
    ::_exit(gone ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  put(pair.b.get(), "x");
  EXPECT_EQ(q.size(), 1U);
}

// "All changes contained in the changelist are applied before any pending events are read from the queue."
TEST(kqueue_contract, s03_changes_come_before_events) {
  const queue q;
  const auto pair = unix_pair();
  put(pair.b.get(), "x");
  const std::array changes{made(pair.a.get(), EVFILT_READ, EV_ADD), made(pair.a.get(), EVFILT_WRITE, EV_ADD)};
  std::array<event, 4> events{};
  EXPECT_EQ(::kevent(q.fd.get(), changes.data(), 2, events.data(), 4, nullptr), 2);
  const event removed = made(pair.a.get(), EVFILT_READ, EV_DELETE);
  EXPECT_EQ(::kevent(q.fd.get(), &removed, 1, events.data(), 4, nullptr), 1);
  EXPECT_EQ(events[0].filter, EVFILT_WRITE);
}

// "When nevents is zero, kevent() will return immediately even if there is a timeout specified unlike select(2)."
TEST(kqueue_contract, s04_without_room_it_returns_at_once) {
  const queue q;
  const timespec hour{3600, 0};
  EXPECT_EQ(::kevent(q.fd.get(), nullptr, 0, nullptr, 0, &hour), 0);
  EXPECT_EQ(::kevent(q.fd.get(), nullptr, 0, nullptr, 0, nullptr), 0);
}

// "If timeout is a non-NULL pointer, it specifies a maximum interval to wait for an event."
TEST(kqueue_contract, s05_a_timeout_ends_the_wait_and_not_before) {
  const queue q;
  const auto begin = steady_clock::now();
  EXPECT_TRUE(q.take({0, 20'000'000}).empty());
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
}

// "If timeout is a NULL pointer, kevent() waits indefinitely."
TEST(kqueue_contract, s06_without_a_timeout_it_waits_for_an_event) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  std::thread writer([&] { put(pair.b.get(), "x"); });
  event e{};
  EXPECT_EQ(::kevent(q.fd.get(), nullptr, 0, &e, 1, nullptr), 1);
  EXPECT_EQ(e.ident, static_cast<std::uintptr_t>(pair.a.get()));
  writer.join();
}

// "To effect a poll, the timeout argument should be non-NULL, pointing to a zero-valued timespec structure."
TEST(kqueue_contract, s07_a_timeout_of_zero_polls) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  EXPECT_EQ(q.size(), 0U);
  put(pair.b.get(), "x");
  EXPECT_EQ(q.size(), 1U);
}

// "The same array may be used for the changelist and eventlist."
TEST(kqueue_contract, s08_the_lists_may_be_one_array) {
  const queue q;
  const auto one = unix_pair(), two = unix_pair();
  std::array both{made(one.a.get(), EVFILT_WRITE, EV_ADD), made(two.a.get(), EVFILT_WRITE, EV_ADD)};
  EXPECT_EQ(::kevent(q.fd.get(), both.data(), 2, both.data(), 2, &at_once), 2);
  EXPECT_EQ(both[0].ident + both[1].ident, static_cast<std::uintptr_t>(one.a.get() + two.a.get()));
}

// "An event is identified by the (ident, filter) pair; there may only be one unique kevent per kqueue."
TEST(kqueue_contract, s09_ident_and_filter_name_an_event) {
  const queue q, other;
  const auto pair = unix_pair();
  put(pair.b.get(), "x");
  for (const queue* one : {&q, &q, &other}) {
    ASSERT_EQ(one->change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
    ASSERT_EQ(one->change(made(pair.a.get(), EVFILT_WRITE, EV_ADD)), 0);
  }
  EXPECT_EQ(q.size(), 2U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_DELETE)), 0);
  EXPECT_EQ(q.size(), 1U);
  EXPECT_EQ(other.size(), 2U);
}

// "The filter is executed upon the initial registration of a kevent in order to detect whether a preexisting condition
// is present."
TEST(kqueue_contract, s10_what_is_ready_already_is_an_event) {
  const queue q;
  const auto pair = unix_pair();
  put(pair.b.get(), "x");
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD | EV_CLEAR)), 0);
  EXPECT_EQ(q.size(), 1U);
}

// "If the filter indicates that the condition that triggered the event no longer holds, the kevent is removed from the
// kqueue and is not returned."
TEST(kqueue_contract, s11_what_is_over_is_not_returned) {
  for (const unsigned clear : {0U, unsigned{EV_CLEAR}}) {
    const queue q;
    const auto pair = unix_pair();
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD | clear)), 0);
    put(pair.b.get(), "x");
    EXPECT_EQ(drain(pair.a.get()), "x");
    EXPECT_EQ(q.size(), 0U);
  }
}

// "Multiple events which trigger the filter do not result in multiple kevents being placed on the kqueue."
TEST(kqueue_contract, s12_several_triggers_are_one_event) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD | EV_CLEAR)), 0);
  for (int i = 0; i < 3; ++i) put(pair.b.get(), "abc");
  const auto all = q.take();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].data, 9);
}

// "Calling close(2) on a file descriptor will remove any kevents that reference the descriptor." Also where the open
// file has other descriptors.
TEST(kqueue_contract, s13_close_removes_the_events_of_a_descriptor) {
  const queue q;
  auto pair = unix_pair();
  const int number = pair.a.get();
  put(pair.b.get(), "x");
  ASSERT_EQ(q.change(made(number, EVFILT_READ, EV_ADD)), 0);
  ASSERT_EQ(q.change(made(number, EVFILT_WRITE, EV_ADD)), 0);
  const unique_fd copy(checked(::dup(number), "dup"));
  pair.a = unique_fd();
  EXPECT_EQ(q.size(), 0U);
  const auto next = unix_pair();
  ASSERT_EQ(next.a.get(), number);
  EXPECT_EQ(q.change(made(number, EVFILT_READ, EV_DELETE)), ENOENT);
}

// "Re-adding an existing event will modify the parameters of the original event, and not result in a duplicate entry."
TEST(kqueue_contract, s14_adding_again_modifies) {
  const queue q;
  const auto pair = unix_pair();
  int one = 0, two = 0;
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, &one)), 0);
  EXPECT_EQ(q.await().udata, &one);
  EXPECT_EQ(q.size(), 0U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD, 0, 0, &two)), 0);
  EXPECT_EQ(q.await().udata, &two) << "the filter is run again";
  EXPECT_EQ(q.size(), 0U) << "EV_CLEAR is no parameter (FreeBSD): it stays";
}

// "Adding an event automatically enables it, unless overridden by the EV_DISABLE flag."
TEST(kqueue_contract, s15_adding_enables) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_DISABLE)), 0);
  EXPECT_EQ(q.size(), 0U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD)), 0);
  EXPECT_EQ(q.size(), 1U);
}

// EV_ENABLE: "Permit kevent() to return the event if it is triggered." EV_DISABLE: "kevent() will not return it. The
// filter itself is not disabled."
TEST(kqueue_contract, s16_disabled_events_wait_until_they_are_enabled) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_DISABLE)), 0);
  put(pair.b.get(), "x");
  EXPECT_EQ(q.size(), 0U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ENABLE)), 0);
  EXPECT_EQ(q.size(), 1U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_DISABLE)), 0);
  EXPECT_EQ(q.size(), 0U) << "also one that was on the queue";
  EXPECT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ENABLE)), ENOENT);
}

// EV_DISPATCH: "Disable the event source immediately after delivery of an event."
TEST(kqueue_contract, s17_dispatch_disables_after_delivery) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_DISPATCH)), 0);
  EXPECT_NE(q.await().flags & EV_DISPATCH, 0);
  EXPECT_EQ(q.size(), 0U);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ENABLE)), 0);
  EXPECT_EQ(q.size(), 1U);
  EXPECT_EQ(q.size(), 0U);
}

// EV_DELETE: "Removes the event from the kqueue."
TEST(kqueue_contract, s18_deleted_events_are_gone) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD)), 0);
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_DELETE)), 0);
  EXPECT_EQ(q.size(), 0U);
  EXPECT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_DELETE)), ENOENT);
}

// EV_RECEIPT: "Useful for making bulk changes to a kqueue without draining any pending events. When passed as input, it
// forces EV_ERROR to always be returned. When a filter is successfully added the data field will be zero."
TEST(kqueue_contract, s19_receipts_answer_each_change) {
  const queue q;
  const auto pair = unix_pair();
  std::array list{made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_RECEIPT),
                  made(pair.a.get(), EVFILT_READ, EV_DELETE | EV_RECEIPT),
                  made(pair.b.get(), EVFILT_WRITE, EV_ADD | EV_RECEIPT)};
  ASSERT_EQ(::kevent(q.fd.get(), list.data(), 3, list.data(), 3, nullptr), 3);
  for (const event& e : list) EXPECT_NE(e.flags & EV_ERROR, 0);
  EXPECT_EQ(list[0].data, 0);
  EXPECT_EQ(list[1].data, ENOENT);
  EXPECT_EQ(list[2].data, 0);
  EXPECT_EQ(q.size(), 2U);
}

// EV_ONESHOT: "Causes the event to return only the first occurrence of the filter being triggered. After the user
// retrieves the event from the kqueue, it is deleted."
TEST(kqueue_contract, s20_oneshot_is_deleted_with_its_event) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_ONESHOT)), 0);
  EXPECT_EQ(q.size(), 1U);
  EXPECT_EQ(q.size(), 0U);
  EXPECT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ENABLE)), ENOENT);
}

// EV_CLEAR: "After the event is retrieved by the user, its state is reset." The other filter's is not touched by it.
TEST(kqueue_contract, s21_clear_reports_each_change_once) {
  for (const auto& pair : {unix_pair(), tcp_pair()}) {
    const queue q;
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD | EV_CLEAR)), 0);
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD | EV_CLEAR)), 0);
    EXPECT_EQ(q.await().filter, EVFILT_WRITE);
    for (int i = 1; i <= 3; ++i) {  // unread all the while
      EXPECT_EQ(q.size(), 0U);
      put(pair.b.get(), "x");
      const event e = q.await();
      EXPECT_EQ(e.filter, EVFILT_READ);
      EXPECT_EQ(e.data, i);
    }
  }
}

// Without EV_CLEAR an event is returned for as long as its condition holds.
TEST(kqueue_contract, s22_level_is_repeated) {
  const queue q;
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD)), 0);
  put(pair.b.get(), "x");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(q.size(), 1U);
  drain(pair.a.get());
  EXPECT_EQ(q.size(), 0U);
}

// "If an error occurs while processing an element of the changelist and there is enough room in the eventlist, then the
// event will be placed in the eventlist with EV_ERROR set in flags and the system error in data."
TEST(kqueue_contract, s23_errors_of_changes_are_events) {
  const queue q;
  const auto pair = unix_pair();
  std::array list{made(pair.a.get(), EVFILT_READ, EV_DELETE), made(pair.a.get(), EVFILT_WRITE, EV_ADD)};
  ASSERT_EQ(::kevent(q.fd.get(), list.data(), 2, list.data(), 2, nullptr), 1);
  EXPECT_NE(list[0].flags & EV_ERROR, 0);
  EXPECT_EQ(list[0].data, ENOENT);
  EXPECT_EQ(list[0].filter, EVFILT_READ);
  EXPECT_EQ(q.size(), 1U) << "the other was applied";
}

// "Otherwise, -1 will be returned, and errno will be set to indicate the error condition."
TEST(kqueue_contract, s24_without_room_an_error_is_errno) {
  const queue q;
  const auto pair = unix_pair();
  EXPECT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_DELETE)), ENOENT);
}

// udata: "Opaque user-defined value passed through the kernel unchanged."
TEST(kqueue_contract, s25_udata_comes_back) {
  const queue q;
  const auto pair = unix_pair();
  for (const std::uintptr_t value : {std::uintptr_t{0}, ~std::uintptr_t{0}, std::uintptr_t{0x0123456789abcdef}}) {
    ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_WRITE, EV_ADD, 0, 0, reinterpret_cast<void*>(value))), 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(q.await().udata), value);
  }
}

std::atomic<int> handled{0};

// "A signal was delivered before the timeout expired and before any events were placed on the kqueue for return. When
// kevent() call fails with EINTR error, all changes in the changelist have been applied."
TEST(kqueue_contract, s43_signals_end_a_wait_after_its_changes) {
  struct sigaction act{}, before{};
  act.sa_handler = [](int) { handled.fetch_add(1); };
  act.sa_flags = SA_RESTART;
  ASSERT_EQ(::sigaction(SIGUSR1, &act, &before), 0);
  const queue q;
  std::atomic<int> error{0};
  std::thread sleeper([&] {
    const event added = made(5, EVFILT_USER, EV_ADD | EV_CLEAR);
    event e{};
    error = ::kevent(q.fd.get(), &added, 1, &e, 1, nullptr) == -1 ? errno : -1;
  });
  for (int sent = 0; error == 0; std::this_thread::yield()) {
    if (sent > handled) continue;  // one at a time
    ++sent;
    ::pthread_kill(sleeper.native_handle(), SIGUSR1);
  }
  sleeper.join();
  EXPECT_EQ(error, EINTR);
  EXPECT_EQ(q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER)), 0);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

// "The kevent() system call returns the number of events placed in the eventlist, up to the value given by nevents."
TEST(kqueue_contract, s44_what_finds_no_room_comes_next) {
  const queue q;
  std::vector<fd_pair> pairs;
  for (int i = 0; i < 10; ++i) {
    pairs.push_back(unix_pair());
    ASSERT_EQ(q.change(made(pairs.back().a.get(), EVFILT_WRITE, EV_ADD | EV_CLEAR)), 0);
    ASSERT_EQ(q.change(made(i, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_TRIGGER)), 0);
  }
  std::size_t seen = 0;
  for (int i = 0; i < 7; ++i) seen += q.take(at_once, 3).size();
  EXPECT_EQ(seen, 20U);
}

// ERRORS: "EBADF: The specified descriptor is invalid. EINVAL: The specified time limit or filter is invalid. ENOENT:
// The event could not be found to be modified or deleted."
TEST(kqueue_contract, s45_errors) {
  const queue q;
  auto pair = unix_pair();
  const int number = pair.a.get();
  event e{};
  EXPECT_EQ(::kevent(number, nullptr, 0, &e, 1, &at_once), -1);
  EXPECT_EQ(errno, EBADF) << "not a queue";
  pair.a = unique_fd();
  for (const int what : {EV_ADD, EV_DELETE, EV_ENABLE})
    EXPECT_EQ(q.change(made(number, EVFILT_READ, static_cast<unsigned>(what))), EBADF);
  EXPECT_EQ(q.change(made(pair.b.get(), EVFILT_READ, EV_ENABLE)), ENOENT);
  EXPECT_EQ(q.change(made(pair.b.get(), -100, EV_ADD)), EINVAL);
  for (const timespec& wrong : {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    EXPECT_EQ(::kevent(q.fd.get(), nullptr, 0, &e, 1, &wrong), -1);
    EXPECT_EQ(errno, EINVAL);
  }
}

// EVFILT_READ takes any descriptor, a kqueue's too: it is readable while events are pending. So for poll(2).
TEST(kqueue_contract, s46_a_queue_can_be_polled) {
  const queue q, outer;
  ASSERT_EQ(outer.change(made(q.fd.get(), EVFILT_READ, EV_ADD)), 0);
  const auto pair = unix_pair();
  ASSERT_EQ(q.change(made(pair.a.get(), EVFILT_READ, EV_ADD | EV_CLEAR)), 0);
  ASSERT_EQ(q.change(made(5, EVFILT_USER, EV_ADD | EV_CLEAR)), 0);
  const auto readable = [&] {
    pollfd p{.fd = q.fd.get(), .events = POLLIN, .revents = 0};
    const bool polled = ::poll(&p, 1, 0) == 1;
    EXPECT_EQ(outer.size(), polled ? 1U : 0U);
    return polled;
  };
  EXPECT_FALSE(readable());
  put(pair.b.get(), "x");
  EXPECT_TRUE(readable());
  EXPECT_EQ(q.size(), 1U);
  EXPECT_FALSE(readable());
  ASSERT_EQ(q.change(made(5, EVFILT_USER, 0, NOTE_TRIGGER)), 0);
  EXPECT_TRUE(readable());
  EXPECT_EQ(q.size(), 1U);
  EXPECT_FALSE(readable());
}

}  // namespace
}  // namespace sennit::test
