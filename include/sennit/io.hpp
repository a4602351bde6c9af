#pragma once
// Waiting for descriptors that sennit does not own. It never sets flags on them.
#include <chrono>

#include <sennit/detail/time.hpp>
#include <sennit/error.hpp>

namespace sennit::inline v0 {

/// Parks until `fd` can be read (or has an error or end of file to report); the registration is ONESHOT and deleted
/// when the wait ends, so the owner may close the descriptor afterwards. Regular files are always ready. Ambient
/// cancellation point. Throws std::system_error: operation_canceled, bad_file_descriptor. On a plain thread: poll(2).
SENNIT_API void wait_readable(int fd);
/// The same for writing.
SENNIT_API void wait_writable(int fd);
/// The same with a deadline: false if it came first.
SENNIT_API bool wait_readable_until(int fd, std::chrono::steady_clock::time_point t);
SENNIT_API bool wait_writable_until(int fd, std::chrono::steady_clock::time_point t);

}  // namespace sennit::inline v0
