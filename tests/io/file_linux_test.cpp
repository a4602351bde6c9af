// Of file_test.cpp: what needs a mount of its own, and /dev/full.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <iostream>
#include <span>
#include <string_view>
#include <vector>

#include <sennit/file.hpp>
#include <sennit/sennit.hpp>

#include "io/files.hpp"
#include "support/child.hpp"
#include "support/file_backends.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

class file_linux_test : public file_backend_test {};
INSTANTIATE_FILE_BACKENDS(file_linux_test);

// The disk is full: a tmpfs of a few pages, in a child with a mount namespace of its own.
TEST_P(file_linux_test, a_full_disk) {
  const auto fill = [&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("small", dir.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
      std::cout << "no right to mount: /dev/full alone" << std::endl;
      return 0;
    }
    return run([&] {
      file f = file::open(dir / "f", create_new);
      std::error_code ec;
      const std::size_t n = f.write_at(pattern(1'000'000), 0, ec);
      if (ec != std::errc::no_space_on_device) return 1;
      if (n == 0 || n > 65536 || f.size() != n) return 2;
      bytes back(n);
      return f.read_at(back, 0) == n && back == bytes(pattern(n)) ? 0 : 3;
    });
  };
  EXPECT_EQ(in_child(fill), 0);
  run([&] {
    file full = file::open("/dev/full", open_mode::write);
    EXPECT_EQ(code_of([&] { full.write_all(std::as_bytes(std::span("x"))); }), std::errc::no_space_on_device);
  });
}

}  // namespace
}  // namespace sennit::test
