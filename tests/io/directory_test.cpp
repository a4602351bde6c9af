#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <sennit/directory.hpp>
#include <sennit/sennit.hpp>

#include "base/host.hpp"
#include "base/host_files.hpp"
#include "support/files.hpp"
#include "support/process_counts.hpp"
#include "support/runtimes.hpp"

namespace sennit::test {
namespace {

class directory_test : public runtimes {
 protected:
  scratch_directory dir;
};
INSTANTIATE_RUNTIMES(directory_test);

TEST_P(directory_test, lists_names_sorted_with_their_types) {
  run([&] {
    make_directory(dir / "b");
    write_file(dir / "c", "text");
    ASSERT_EQ(::symlink("c", (dir / "a").c_str()), 0);
    ASSERT_EQ(::mkfifo((dir / "d").c_str(), 0600), 0);
    const auto entries = read_directory(dir.path());
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(entries[0].name, "a");
    EXPECT_EQ(entries[0].type, file_type::symlink);
    EXPECT_EQ(entries[1].name, "b");
    EXPECT_EQ(entries[1].type, file_type::directory);
    EXPECT_EQ(entries[2].type, file_type::regular);
    EXPECT_EQ(entries[3].type, file_type::fifo);
    EXPECT_TRUE(read_directory(dir / "b").empty());
  });
}

TEST_P(directory_test, more_names_than_one_call_returns) {
  run([&] {
    for (int i = 0; i < 700; ++i) put_file(dir / (std::string(40, 'n') + std::to_string(10'000 + i)), "");
    const auto entries = read_directory(dir.path());
    ASSERT_EQ(entries.size(), 700U);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      ASSERT_EQ(entries[i].name, std::string(40, 'n') + std::to_string(10'000 + i));
    }
  });
}

TEST_P(directory_test, status_of_a_link_and_of_what_it_names) {
  run([&] {
    write_file(dir / "file", "12345");
    ASSERT_EQ(::symlink("file", (dir / "link").c_str()), 0);
    EXPECT_EQ(path_status(dir / "link").size, 5U);
    EXPECT_EQ(path_status(dir / "link").inode, path_status(dir / "file").inode);
    EXPECT_EQ(link_status(dir / "link").type, file_type::symlink);
    EXPECT_EQ(path_status(dir.path()).type, file_type::directory);
  });
}

TEST_P(directory_test, renames_and_removes) {
  run([&] {
    write_file(dir / "a", "one");
    write_file(dir / "b", "two");
    rename_path(dir / "a", dir / "b");
    EXPECT_EQ(read_file(dir / "b"), "one");
    make_directory(dir / "d");
    write_file(dir / "d/f", "");
    EXPECT_EQ(code_of([&] { remove_path(dir / "d"); }), std::errc::directory_not_empty);
    remove_path(dir / "d/f");
    remove_path(dir / "d");
    remove_path(dir / "b");
    EXPECT_TRUE(read_directory(dir.path()).empty());
  });
}

TEST_P(directory_test, whole_files) {
  run([&] {
    const std::string text(100'000, 'x');
    write_file(dir / "f", text);
    EXPECT_EQ(read_file(dir / "f"), text);
    write_file(dir / "f", "short");
    EXPECT_EQ(read_file(dir / "f"), "short");
    write_file(dir / "f", "");
    EXPECT_EQ(read_file(dir / "f"), "");
    if (const std::string linux_only = "/proc/self/status"; std::filesystem::exists(linux_only)) {
      EXPECT_NE(read_file(linux_only).find("Threads:"), std::string::npos) << "a file without a size";
    }
  });
}

TEST_P(directory_test, errors_name_call_and_path) {
  run([&] {
    const std::string absent = dir / "absent";
    std::error_code ec;
    read_directory(absent, ec);
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    write_file(dir / "f", "");
    read_directory(dir / "f", ec);
    EXPECT_EQ(ec, std::errc::not_a_directory);
    path_status(absent, ec);
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    link_status(absent, ec);
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    remove_path(absent, ec);
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    make_directory(dir / "f", 0777, ec);
    EXPECT_EQ(ec, std::errc::file_exists);
    rename_path(absent, dir / "g", ec);
    EXPECT_EQ(ec, std::errc::no_such_file_or_directory);
    read_file(dir.path(), ec);
    EXPECT_EQ(ec, std::errc::is_a_directory);
    write_file(dir.path(), "text", ec);
    EXPECT_EQ(ec, std::errc::is_a_directory);
    const std::string cut = dir / std::string("f\0g", 3);
    EXPECT_EQ(code_of([&] { remove_path(cut); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { rename_path(dir / "f", cut); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { read_directory(cut); }), std::errc::invalid_argument);
    EXPECT_EQ(code_of([&] { path_status(cut); }), std::errc::invalid_argument);
    EXPECT_TRUE(std::filesystem::exists(dir / "f")) << "cut at the NUL";
    try {
      rename_path(absent, dir / "g");
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_NE(std::string(e.what()).find("rename_path " + absent + " to " + (dir / "g")), std::string::npos);
    }
  });
}

TEST_P(directory_test, a_stop_before_it_began) {
  run([&] {
    stop_source stop;
    stop.request_stop();
    EXPECT_EQ(code_of([&] { make_directory(dir / "d", 0777, stop.get_token()); }), std::errc::operation_canceled);
    EXPECT_EQ(code_of([&] { read_directory(dir.path(), stop.get_token()); }), std::errc::operation_canceled);
    EXPECT_FALSE(std::filesystem::exists(dir / "d"));
  });
}

/// The directory breaks in the middle.
class broken_disk final : public detail::host {
 public:
  class calls final : public detail::file_calls {
   public:
    std::ptrdiff_t list(int fd, void* into, std::size_t size) noexcept override {
      return asked++ == 0 ? file_calls::list(fd, into, size) : -EIO;
    }
    int asked = 0;
  };
  detail::file_calls& files() noexcept override { return calls_; }

 private:
  calls calls_;
};

TEST_P(directory_test, what_was_read_before_an_error) {
  broken_disk outside;
  put_file(dir / "f", "");
  const std::size_t before = open_descriptors();
  sennit::run({.workers = GetParam(), .stall_threshold = {}, .host = &outside}, [&] {
    std::error_code ec;
    EXPECT_EQ(read_directory(dir.path(), ec).size(), 1U);
    EXPECT_EQ(ec, std::errc::io_error);
  });
  EXPECT_EQ(open_descriptors(), before);
}

TEST_P(directory_test, plain_threads) {
  make_directory(dir / "d");
  write_file(dir / "f", "text");
  EXPECT_EQ(read_directory(dir.path()).size(), 2U);
  EXPECT_EQ(read_file(dir / "f"), "text");
}

}  // namespace
}  // namespace sennit::test
