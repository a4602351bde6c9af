#pragma once
// A blocking pipe of the test's own: descriptors that sennit does not own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace sennit::test {

struct pipe_pair {
  std::array<int, 2> fd{-1, -1};
  pipe_pair() { EXPECT_EQ(::pipe(fd.data()), 0); }
  ~pipe_pair() {
    for (const int f : fd) ::close(f);
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
  void put(char c) const { EXPECT_EQ(::write(fd[1], &c, 1), 1); }
  char take() const {
    char c = 0;
    EXPECT_EQ(::read(fd[0], &c, 1), 1);
    return c;
  }
};

}  // namespace sennit::test
