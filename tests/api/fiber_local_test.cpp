// fiber_local: a value for each fiber, its life, and what children inherit.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sennit/fiber_local.hpp>
#include <sennit/scope.hpp>

#include "support/baton.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

using namespace std::chrono_literals;

class fiber_local_test : public runtimes {};
INSTANTIATE_RUNTIMES(fiber_local_test);

/// What happened, from any fiber or thread.
class record {
 public:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(what));
  }
  [[nodiscard]] std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> all_;
};
using events = std::vector<std::string>;

/// Tells when it is destroyed.
struct witness {
  witness() = default;
  witness(record& r, std::string n) : to(&r), name(std::move(n)) {}
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  void tell(record& r, std::string n) {
    to = &r;
    name = std::move(n);
  }

  record* to = nullptr;
  std::string name;

  ~witness() {
    if (to != nullptr) to->add(name);
  }
};

TEST_P(fiber_local_test, each_fiber_has_its_own) {
  const fiber_local<int> number;
  runtime rt(opts());
  *number = 77;
  rt.run([&] {
    EXPECT_EQ(*number, 0);
    *number = 1;
    scope all;
    for (int i = 0; i < 100; ++i) {
      all.spawn([&, i] {
        EXPECT_EQ(*number, 0);
        *number = i;
        for (int k = 0; k < 10; ++k) {
          this_fiber::yield();
          EXPECT_EQ(*number, i + k);
          ++*number;
        }
      });
    }
    all.join();
    EXPECT_EQ(*number, 1);
  });
  EXPECT_EQ(*number, 77) << "this thread's";
  number.reset();
}

TEST_P(fiber_local_test, values_start_as_the_fiber_local_says) {
  struct only_made {
    explicit only_made(int v) : value(v) {}
    only_made(only_made&&) = delete;
    int value;
  };
  std::atomic<int> made{0};
  const fiber_local<int> zero;
  const fiber_local<std::string> copied(std::string("seven"));
  const fiber_local<std::string> converted([] { return "eight"; });
  const fiber_local<only_made> called([&] { return only_made(++made); });
  const fiber_local<std::unique_ptr<int>> moved([p = std::make_unique<int>(9)] { return std::make_unique<int>(*p); });
  const fiber_local<std::function<int()>> callable(std::function<int()>([] { return 10; }));
  run([&] {
    EXPECT_EQ(*zero, 0);
    EXPECT_EQ(*copied, "seven");
    EXPECT_EQ(converted->size(), 5u);
    EXPECT_EQ(made, 0) << "at the first use";
    EXPECT_EQ(called->value, 1);
    EXPECT_EQ(called.get().value, 1);
    EXPECT_EQ(**moved, 9);
    EXPECT_EQ((*callable)(), 10);
    copied->append("teen");
    fiber([&] {
      EXPECT_EQ(*copied, "seven");
      EXPECT_EQ(called->value, 2);
    }).join();
    EXPECT_EQ(*copied, "seventeen");
  });
}

TEST_P(fiber_local_test, has_value_makes_none_and_reset_destroys_it) {
  record log;
  fiber_local<witness> x;
  run([&] {
    EXPECT_FALSE(x.has_value());
    x.reset();
    EXPECT_FALSE(x.has_value());
    x->tell(log, "first");
    EXPECT_TRUE(x.has_value());
    fiber([&] { EXPECT_FALSE(x.has_value()); }).join();
    x.reset();
    EXPECT_EQ(log.all(), events{"first"});
    EXPECT_FALSE(x.has_value());
    EXPECT_EQ(x->to, nullptr) << "a new one";
  });
}

TEST_P(fiber_local_test, an_initialiser_that_throws_is_tried_again) {
  std::atomic<int> calls{0};
  const fiber_local<int> x([&] {
    if (++calls == 1) throw std::runtime_error("not now");
    return 5;
  });
  run([&] {
    EXPECT_THROW(static_cast<void>(*x), std::runtime_error);
    EXPECT_FALSE(x.has_value());
    EXPECT_EQ(*x, 5);
  });
}

TEST_P(fiber_local_test, an_initialiser_may_wait_and_use_others) {
  const fiber_local<int> inner([] {
    this_fiber::sleep_for(1us);
    return 20;
  });
  const fiber_local<int> outer([&] {
    this_fiber::yield();
    return *inner + 1;
  });
  run([&] {
    scope all;
    for (int i = 0; i < 20; ++i) all.spawn([&] { EXPECT_EQ(*outer, 21); });
    all.join();
  });
}

TEST_P(fiber_local_test, the_newest_is_destroyed_first_after_the_function_and_on_the_fiber) {
  record log;
  const fiber_local<witness> a;
  const fiber_local<witness> b;
  struct teller {
    record* to;
    fiber::id expected = {};
    ~teller() {
      this_fiber::sleep_for(1us);  // waits are allowed still
      to->add(this_fiber::get_id() == expected ? "on the fiber" : "elsewhere");
    }
  };
  const fiber_local<teller> c([&] { return teller{&log}; });
  run([&] {
    fiber([&, held = std::make_shared<witness>(log, "closure")] {
      b->tell(log, "b");
      c->expected = this_fiber::get_id();
      a->tell(log, "a");
      const witness local(log, "function");
    }).join();
    EXPECT_EQ(log.all(), (events{"function", "closure", "a", "on the fiber", "b"})) << "before join returns";
  });
}

TEST_P(fiber_local_test, they_go_when_the_fiber_ends_by_an_exception_or_detached_too) {
  record log;
  const fiber_local<witness> x;
  run([&] {
    fiber f([&] {
      x->tell(log, "thrown");
      throw std::runtime_error("away");
    });
    EXPECT_THROW(f.join(), std::runtime_error);
    EXPECT_EQ(log.all(), events{"thrown"});
    go([&] { x->tell(log, "detached"); });
    until([&] { return log.all().size() == 2; });
  });
}

TEST_P(fiber_local_test, recycled_control_blocks_start_clean) {
  const fiber_local<int> x;
  const fiber_local<int, inherit> y;
  run([&] {
    for (int i = 0; i < 1000; ++i) {
      fiber([&] {
        EXPECT_FALSE(x.has_value());
        EXPECT_FALSE(y.has_value());
        *x = *y = 1;
      }).join();
    }
  });
}

TEST_P(fiber_local_test, a_thousand_of_them_stay_where_they_are) {
  std::vector<std::unique_ptr<fiber_local<std::size_t>>> many;
  for (int i = 0; i < 1000; ++i) many.push_back(std::make_unique<fiber_local<std::size_t>>());
  run([&] {
    scope all;
    for (int f = 0; f < 4; ++f) {
      all.spawn([&] {
        std::vector<std::size_t*> where;
        for (std::size_t i = 0; i < many.size(); ++i) {
          where.push_back(&**many[i]);
          *where[i] = i;
          if (i % 100 == 0) this_fiber::yield();
        }
        for (std::size_t i = 0; i < many.size(); ++i) {
          ASSERT_EQ(&**many[i], where[i]);
          ASSERT_EQ(*where[i], i);
        }
      });
    }
    all.join();
  });
}

TEST_P(fiber_local_test, a_reference_follows_the_fiber_from_thread_to_thread) {
  const fiber_local<std::size_t> x;
  options o = opts();
  o.force_migrate = true;
  sennit::run(o, [&] {
    scope all;
    for (std::size_t f = 0; f < 10; ++f) {
      all.spawn([&, f] {
        std::size_t& mine = *x;
        mine = f;
        for (std::size_t i = 0; i < scaled(10'000); ++i) {
          const unsigned before = worker_index();
          this_fiber::yield();
          ASSERT_TRUE(workers() == 1 || worker_index() != before);
          ASSERT_EQ(&*x, &mine);
          ASSERT_EQ(*x, f);
        }
      });
    }
    all.join();
  });
}

TEST_P(fiber_local_test, destructors_may_use_fiber_locals) {
  record log;
  const fiber_local<witness> late;
  struct user {
    const fiber_local<witness>* uses = nullptr;
    record* to = nullptr;
    ~user() {
      if (uses == nullptr) return;
      this_fiber::yield();
      to->add((*uses)->to == nullptr ? "finds a new one" : "finds " + (*uses)->name);
      (*uses)->tell(*to, "made meanwhile");
    }
  };
  const fiber_local<user> x;
  run([&] {
    fiber([&] {
      late->tell(log, "older");
      x->uses = &late;
      x->to = &log;
    }).join();
    EXPECT_EQ(log.all(), (events{"finds older", "made meanwhile"}));
    fiber([&] {
      x->uses = &late;
      x->to = &log;
      late->tell(log, "newer");
    }).join();
    EXPECT_EQ(log.all(), (events{"finds older", "made meanwhile", "newer", "finds a new one", "made meanwhile"}));
  });
}

TEST_P(fiber_local_test, values_outlive_a_fiber_local_that_was_destroyed) {
  record log;
  run([&] {
    fiber([&] {
      std::optional<fiber_local<witness>> former(std::in_place);
      (*former)->tell(log, "former");
      former.reset();
      EXPECT_TRUE(log.all().empty());
      const fiber_local<std::string> next;  // has the index now
      EXPECT_FALSE(next.has_value());
      *next = "next";
      EXPECT_EQ(*next, "next");
    }).join();
    EXPECT_EQ(log.all(), events{"former"});
  });
}

TEST_P(fiber_local_test, plain_threads_have_their_own_until_they_end) {
  record log;
  const fiber_local<witness> x;
  const fiber_local<witness> y;
  std::thread([&] {
    EXPECT_FALSE(x.has_value());
    x->tell(log, "x");
    y->tell(log, "y");
    x.reset();
    x->tell(log, "x again");
    EXPECT_EQ(log.all(), events{"x"});
  }).join();
  EXPECT_EQ(log.all(), (events{"x", "x again", "y"}));
}

// ---- inherit ----

TEST_P(fiber_local_test, children_inherit_what_their_spawner_has_at_the_spawn) {
  const fiber_local<std::string, inherit> request;
  const fiber_local<std::string> own;
  run([&] {
    fiber([&] { EXPECT_FALSE(request.has_value()); }).join();
    *request = "r1";
    *own = "mine";
    const auto check = [&] {
      EXPECT_TRUE(request.has_value());
      EXPECT_EQ(*request, "r1");
      EXPECT_FALSE(own.has_value());
      *request += " changed";
      fiber([&] { EXPECT_EQ(*request, "r1 changed"); }).join();
    };
    fiber a(check);
    fiber b = spawn(check);
    baton detached;
    go([&] {
      check();
      detached.post();
    });
    scope children;
    children.spawn(check);
    fiber c = runtime::current()->spawn(check);
    *request = "r2";
    a.join();
    b.join();
    c.join();
    children.join();
    detached.wait();
    EXPECT_EQ(*request, "r2");
    request.reset();
    fiber([&] { EXPECT_FALSE(request.has_value()); }).join();
  });
}

TEST_P(fiber_local_test, fibers_inherit_from_plain_threads_and_other_runtimes) {
  const fiber_local<std::string, inherit> request;
  runtime here(opts());
  runtime there(opts());
  std::thread([&] {
    *request = "from a thread";
    here.spawn([&] { EXPECT_EQ(*request, "from a thread"); }).join();
    here.run([&] {
      EXPECT_EQ(*request, "from a thread");
      *request = "from here";
      there.spawn([&] { EXPECT_EQ(*request, "from here"); }).join();
    });
    EXPECT_EQ(*request, "from a thread");
  }).join();
}

/// Counts what lives; a copy throws if it is told to.
struct brittle {
  static inline std::atomic<int> alive{0};
  bool throws = false;
  brittle() { ++alive; }
  brittle(const brittle& other) : throws(other.throws) {
    if (throws) throw std::runtime_error("no copy");
    ++alive;
  }
  brittle& operator=(const brittle&) = default;
  ~brittle() { --alive; }
};

TEST_P(fiber_local_test, a_spawn_throws_what_a_copy_throws_and_leaks_nothing) {
  runtime rt(opts());
  rt.run([&] {
    const fiber_local<brittle, inherit> first;
    const fiber_local<brittle, inherit> second;
    static_cast<void>(*first);
    second->throws = true;
    scope children;
    const auto held = std::make_shared<int>();
    EXPECT_THROW(fiber([held] {}).join(), std::runtime_error);
    EXPECT_THROW(go([held] {}), std::runtime_error);
    EXPECT_THROW(children.spawn([held] {}), std::runtime_error);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(brittle::alive, 2);
    second->throws = false;
    fiber([] { EXPECT_EQ(brittle::alive, 4); }).join();
    EXPECT_EQ(brittle::alive, 2);
    children.request_stop();
    EXPECT_THROW(children.spawn([held] {}), std::system_error) << "refused after the copies were made";
    EXPECT_EQ(brittle::alive, 2);
  });
  EXPECT_EQ(brittle::alive, 0);
}

TEST_P(fiber_local_test, a_copy_may_wait) {
  struct slow {
    int value = 0;
    slow() = default;
    slow(const slow& other) : value(other.value) { this_fiber::sleep_for(1us); }
    slow& operator=(const slow&) = default;
    ~slow() = default;
  };
  const fiber_local<slow, inherit> x;
  options o = opts();
  o.force_migrate = true;
  sennit::run(o, [&] {
    x->value = 3;
    for (int i = 0; i < 20; ++i) fiber([&] { EXPECT_EQ(x->value, 3); }).join();
  });
}

TEST_P(fiber_local_test, a_fiber_that_gets_no_stack_gives_back_what_it_inherited) {
  const fiber_local<brittle, inherit> x;
  std::thread([&] {
    static_cast<void>(*x);
    runtime rt({.workers = workers(), .max_stacks = 0});
    EXPECT_THROW(rt.spawn([] {}).join(), std::system_error);
    EXPECT_EQ(brittle::alive, 1);
  }).join();
  EXPECT_EQ(brittle::alive, 0);
}

/// Lives on in fibers that were given up; reachable for the leak checker.
TEST_P(fiber_local_test, values_of_abandoned_fibers_are_not_destroyed) {
  static record log;
  static const fiber_local<witness> x;
  const std::size_t before = log.all().size();
  fiber stubborn;
  {
    runtime rt({.workers = workers(), .stall_threshold = {}, .shutdown_timeout = 10ms});
    baton ready;
    stubborn = rt.spawn([&] {
      x->tell(log, "a name that does not fit into the string itself");
      ready.post();
      const shield no_stops;
      this_fiber::sleep_for(1h);
    });
    ready.wait();
  }
  EXPECT_THROW(stubborn.join(), std::system_error);
  EXPECT_EQ(log.all().size(), before);
}

TEST_P(fiber_local_test, stress) {
  const std::uint64_t seeded = seed();
  static std::atomic<int> alive{0};
  struct counted {
    std::uint64_t owner = 0;
    counted() { ++alive; }
    counted(const counted& other) : owner(other.owner) { ++alive; }
    counted& operator=(const counted&) = default;
    ~counted() {
      this_fiber::yield();
      --alive;
    }
  };
  {
    const std::array<fiber_local<counted>, 20> own;
    const std::array<fiber_local<counted, inherit>, 4> passed;
    runtime rt(opts());
    rt.run([&] {
      scope all;
      for (std::uint64_t f = 1; f <= 16; ++f) {
        all.spawn([&, f] {
          detail::random_source random(seeded + f);
          for (std::size_t i = 0; i < scaled(5'000); ++i) {
            const auto& x = own[random.below(own.size())];
            ASSERT_TRUE(x->owner == 0 || x->owner == f);
            x->owner = f;
            const auto& p = passed[random.below(passed.size())];
            p->owner = f;
            {
              const fiber_local<counted> brief;  // takes an index that others have just left
              ASSERT_FALSE(brief.has_value());
              brief->owner = f;
              stir(random);
              ASSERT_EQ(brief->owner, f);
              brief.reset();
            }
            if (random.below(8) == 0) {
              fiber([&] {
                ASSERT_EQ(p->owner, f);
                ASSERT_FALSE(x.has_value());
                ++x->owner;
                stir(random);
              }).join();
            }
            if (random.below(4) == 0) x.reset();
            if (random.below(16) == 0) p.reset();
            stir(random);
          }
        });
      }
      all.join();
    });
  }
  EXPECT_EQ(alive, 0);
}

TEST(fiber_local_death_test, a_destructor_that_throws_terminates) {
  GTEST_FLAG_SET(death_test_style, "fast");
  struct thrower {
    ~thrower() noexcept(false) { throw std::runtime_error("out of a destructor"); }
  };
  EXPECT_DEATH(sennit::run({.workers = 1},
                           [] {
                             const fiber_local<thrower> x;
                             fiber([&] { static_cast<void>(*x); }).join();
                           }),
               "out of a destructor");
}

TEST(fiber_local_death_test, an_initialiser_that_uses_what_it_makes_is_an_error) {
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_DEATH(sennit::run({.workers = 1},
                           [] {
                             bool inside = false;
                             const fiber_local<int>* self = nullptr;
                             const fiber_local<int> x([&] {
                               if (std::exchange(inside, true)) return 1;
                               return **self;
                             });
                             self = &x;
                             static_cast<void>(*x);
                           }),
               "must not use that same fiber_local");
}

}  // namespace
}  // namespace sennit::test
