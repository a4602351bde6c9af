// The hot paths, one at a time, for budgets.py to count the instructions of: verbs NAME COUNT.
#include <array>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string_view>
#include <vector>

#include <sennit/sennit.hpp>

namespace {

/// Two fibers do `body(i)` by turns, `n` operations in all.
template <class Body>
void by_turns(unsigned n, Body&& body) {
  sennit::scope both;
  for (const unsigned i : {0U, 1U})
    both.spawn([&body, n, i] {
      for (unsigned k = 0; k < n / 2; ++k) body(i);
    });
  both.join();
}

void yield(unsigned n) {
  by_turns(n, [](unsigned) { sennit::this_fiber::yield(); });
}

/// A park and an unpark.
void handoff(unsigned n) {
  std::array<sennit::binary_semaphore, 2> mine{sennit::binary_semaphore(1), sennit::binary_semaphore(0)};
  by_turns(n, [&mine](unsigned i) {
    mine[i].acquire();
    mine[1 - i].release();
  });
}

void spawn_and_join(unsigned n) {
  for (unsigned i = 0; i < n; ++i) sennit::fiber([] {}).join();
}

void mutex(unsigned n) {
  sennit::mutex m;
  for (unsigned i = 0; i < n; ++i) {
    m.lock();
    m.unlock();
  }
}

/// A turn of a thousand fibers that yield while they hold the mutex, so that whoever is woken finds it taken.
void contended_mutex(unsigned n) {
  constexpr unsigned fibers = 1000;
  sennit::mutex m;
  sennit::scope all;
  for (unsigned f = 0; f < fibers; ++f)
    all.spawn([&m, n] {
      for (unsigned i = 0; i < n / fibers; ++i) {
        const std::lock_guard lock(m);
        sennit::this_fiber::yield();
      }
    });
  all.join();
}

/// A wait and a notify.
void condition_variable(unsigned n) {
  sennit::mutex m;
  sennit::condition_variable changed;
  unsigned turn = 0;
  by_turns(n, [&](unsigned i) {
    std::unique_lock lock(m);
    changed.wait(lock, [&] { return turn == i; });
    turn = 1 - i;
    changed.notify_one();
  });
}

/// A message through a channel that has room.
void channel(unsigned n) {
  sennit::channel<int> c(64);
  by_turns(2 * n, [&c](unsigned i) {
    if (i == 0) {
      c.send(1);
    } else {
      static_cast<void>(c.receive());
    }
  });
}

/// A byte of a socket that has some.
void read_ready(unsigned n) {
  auto [from, to] = sennit::unix_stream::pair();
  to.write_all(std::vector<std::byte>(n));
  std::array<std::byte, 1> one;
  for (unsigned i = 0; i < n; ++i) from.read_exact(one);
}

/// A byte to a fiber that waits for it, which answers: two reads that park, two writes.
void echo(unsigned n) {
  auto [near, far] = sennit::unix_stream::pair();
  sennit::fiber server([&s = far] {
    std::array<std::byte, 1> one;
    while (s.read_some(one) != 0) s.write_all(one);
  });
  std::array<std::byte, 1> one{};
  for (unsigned i = 0; i < n; ++i) {
    near.write_all(one);
    near.read_exact(one);
  }
  near.close();
  server.join();
}

struct verb {
  std::string_view name;
  void (*run)(unsigned);
};
constexpr std::array<verb, 9> verbs{{{"yield", yield},
                                     {"handoff", handoff},
                                     {"spawn_and_join", spawn_and_join},
                                     {"mutex", mutex},
                                     {"contended_mutex", contended_mutex},
                                     {"condition_variable", condition_variable},
                                     {"channel", channel},
                                     {"read_ready", read_ready},
                                     {"echo", echo}}};

}  // namespace

int main(int argc, char** argv) {
  for (const verb& v : verbs) {
    if (argc != 3 || v.name != argv[1]) continue;
    const auto count = static_cast<unsigned>(std::atoi(argv[2]));
    sennit::run({.workers = 1, .stall_threshold = {}}, [&] { v.run(count); });
    return 0;
  }
  std::cerr << "usage: verbs NAME COUNT\n";
  return 2;
}
