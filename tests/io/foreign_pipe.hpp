#pragma once
// A blocking pipe of the test's own: descriptors that sennit does not own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace sennit::test {

struct foreign_pipe {
  std::array<int, 2> fd{-1, -1};
  foreign_pipe() { EXPECT_EQ(::pipe(fd.data()), 0); }
  ~foreign_pipe() {
    for (const int f : fd) ::close(f);
  }
  foreign_pipe(const foreign_pipe&) = delete;
  foreign_pipe& operator=(const foreign_pipe&) = delete;
  void put(char c) const { EXPECT_EQ(::write(fd[1], &c, 1), 1); }
  char take() const {
    char c = 0;
    EXPECT_EQ(::read(fd[0], &c, 1), 1);
    return c;
  }
};

}  // namespace sennit::test
