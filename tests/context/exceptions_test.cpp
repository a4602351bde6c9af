// The conformance suite of context.hpp, second part: C++ exceptions and switches in every combination.
#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "context/harness.hpp"

namespace sennit::detail::test {
namespace {

TEST(ContextExceptions, ThrownAndCaughtInside) {
  int caught = 0;
  coroutine other([&](coroutine& self) {
    for (int i = 0; i < 10; ++i) {
      try {
        self.suspend();
        throw std::runtime_error(std::to_string(i));
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), std::to_string(i));
        ++caught;
      }
    }
  });
  while (!other.done()) other.resume();
  EXPECT_EQ(caught, 10);
}

/// Catches, switches, catches inside the catch block, switches, and rethrows both: each level must find its own value.
void nested_catches(coroutine& self, int value) {
  try {
    throw value;
  } catch (int) {
    self.suspend();
    try {
      throw value + 1;
    } catch (int) {
      self.suspend();
      EXPECT_THROW(throw, int);
      try {
        throw;
      } catch (int inner) {
        EXPECT_EQ(inner, value + 1);
        self.suspend();
      }
    }
    try {
      self.suspend();
      throw;
    } catch (int outer) {
      EXPECT_EQ(outer, value);
    }
  }
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(ContextExceptions, NestedCatchBlocksOfManyContextsInterleave) {
  std::vector<std::unique_ptr<coroutine>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<coroutine>([i](coroutine& self) { nested_catches(self, i * 100); }));
  }
  try {
    throw std::string("of the thread");
  } catch (const std::string&) {
    for (bool any = true; any;) {
      any = false;
      // Backwards every other time: the order in which catch blocks end must not matter.
      for (auto& one : all) {
        if (one->done()) continue;
        any = true;
        one->resume();
      }
      std::swap(all.front(), all.back());
    }
    EXPECT_THROW(throw, std::string);
  }
}

class suspends_when_destroyed {
 public:
  explicit suspends_when_destroyed(coroutine& self) : self_(self) {}
  suspends_when_destroyed(const suspends_when_destroyed&) = delete;
  suspends_when_destroyed& operator=(const suspends_when_destroyed&) = delete;
  ~suspends_when_destroyed() {
    EXPECT_EQ(std::uncaught_exceptions(), 1);
    self_.suspend();
    EXPECT_EQ(std::uncaught_exceptions(), 1);
  }

 private:
  coroutine& self_;
};

TEST(ContextExceptions, UncaughtCountIsTheContextsOwn) {
  bool caught = false;
  coroutine other([&](coroutine& self) {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    try {
      const suspends_when_destroyed first(self);
      const suspends_when_destroyed second(self);
      throw std::runtime_error("unwinding");
    } catch (const std::runtime_error& error) {
      caught = true;
      EXPECT_STREQ(error.what(), "unwinding");
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
  for (int i = 0; i < 2; ++i) {
    other.resume();  // now it is in the middle of unwinding
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_THROW(throw i, int);
  }
  other.resume();
  EXPECT_TRUE(other.done());
  EXPECT_TRUE(caught);
}

TEST(ContextExceptions, ResumedWhileTheResumerUnwinds) {
  int seen = -1;
  coroutine other([&](coroutine&) {
    seen = std::uncaught_exceptions();
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_THROW(throw 1, int);
  });
  struct resumes_when_destroyed {
    coroutine& target;
    ~resumes_when_destroyed() { target.resume(); }
  };
  try {
    const resumes_when_destroyed guard{other};
    throw std::runtime_error("of the resumer");
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "of the resumer");
  }
  EXPECT_EQ(seen, 0);
  EXPECT_TRUE(other.done());
}

TEST(ContextExceptions, StateMovesAcrossThreads) {
  std::vector<std::unique_ptr<coroutine>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(std::make_unique<coroutine>([i](coroutine& self) {
      nested_catches(self, i * 100);
      try {
        const suspends_when_destroyed guard(self);
        throw std::runtime_error("on two threads");
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "on two threads");
      }
    }));
  }
  // Every step of every context on a thread of its own, each with an exception of its own being handled.
  for (bool any = true; any;) {
    any = false;
    for (auto& one : all) {
      if (one->done()) continue;
      any = true;
      std::thread([&] {
        try {
          throw std::string("of the thread");
        } catch (const std::string&) {
          one->resume();
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          EXPECT_THROW(throw, std::string);
        }
        EXPECT_EQ(std::current_exception(), nullptr);
      }).join();
    }
  }
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(ContextExceptions, ANewContextStartsWithoutTheOldOnesState) {
  // Abandoned in the middle of a catch block, a context never releases its exception. The leak checker must see it.
  static std::exception_ptr* never_released;
  coroutine other([](coroutine& self) {
    try {
      throw 1;
    } catch (int) {
      never_released = new std::exception_ptr(std::current_exception());
      self.suspend();
    }
  });
  other.resume();
  other.restart([](coroutine&) {
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
  other.resume();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_NE(*never_released, nullptr);
}

}  // namespace
}  // namespace sennit::detail::test
