#pragma once
// Seeing inside a running program: what fibers there are, what each waits for, and since when.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iosfwd>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <sennit/detail/config.hpp>
#include <sennit/stop_token.hpp>

namespace sennit::inline v0 {

enum class fiber_state : std::uint8_t {
  runnable,  ///< queued, or about to be, and perhaps not begun
  running,   ///< on a worker, at the moment of the look
  waiting,   ///< parked
};

/// A fiber as it was at one moment. Where not told otherwise, what is not known of a fiber that does not wait is empty.
struct fiber_info {
  std::uint64_t id = 0;  ///< unique in the process
  std::string name;
  fiber_state state = fiber_state::runnable;
  std::optional<unsigned> worker;  ///< which runs it, or ran it last
  std::source_location spawned_at;
  std::string_view waits_for;     ///< "mutex", "channel receive", "read", ...
  const void* object = nullptr;   ///< the primitive that it waits on
  std::optional<int> descriptor;  ///< of a read or write
  std::string socket;             ///< of that descriptor: its own address, " to " and the peer's, as far as it has them
  std::optional<std::uint64_t> waits_for_fiber;  ///< of this runtime: which holds the mutex, or is joined
  std::chrono::nanoseconds waiting{};  ///< for how long, as of its worker's last look at the clock before it parked
  std::optional<std::chrono::nanoseconds> deadline_in;  ///< of this wait: from now, negative if it has passed
  std::size_t stack_reserved = 0;                       ///< usable bytes
  std::size_t stack_resident = 0;                       ///< bytes in memory now
  std::size_t stack_high_water = 0;    ///< bytes below the top that this stack's deepest user has touched
  std::vector<const void*> backtrace;  ///< return addresses, innermost first, at most 64; none with Boost.Context
};

/// Fibers that have the same name, wait in the same way at the same place, and were spawned at the same place.
struct fiber_group {
  static constexpr std::size_t most_ids = 10;

  fiber_info sample;  ///< the one that was seen first, with the lowest id
  std::size_t count = 0;
  std::vector<std::uint64_t> ids;  ///< the lowest ones, in order
  std::uint64_t last_id = 0;
  std::chrono::nanoseconds longest_wait{};
  std::size_t stack_resident = 0;    ///< of all
  std::size_t stack_high_water = 0;  ///< of the deepest
};

/// A line of the program.
struct code_location {
  std::string function;       ///< demangled; empty if it is not known
  std::string file;           ///< empty without debug information
  unsigned line = 0;          ///< likewise 0
  std::string module;         ///< the file that the code was loaded from; empty if it was made at run time
  std::uintptr_t offset = 0;  ///< in the module, as addr2line(1) and objdump(1) count: the module's bias is taken off
};

/// The call that returns to an address: several locations, innermost first, where functions are inlined there; at least
/// one. Component sennit::symbols, linked with the program, knows files, lines and inlined functions. Without it: the
/// function if the program exports its name (linked with -rdynamic), the module and the offset. Any thread or fiber;
/// the first call reads the debug information, which takes its time. Throws std::bad_alloc.
[[nodiscard]] SENNIT_API std::vector<code_location> locate(const void* return_address);

/// What locate() calls instead of its own means; null: its own. Returns the one before. Any thread.
using symbolizer = std::vector<code_location> (*)(const void* return_address);
SENNIT_API symbolizer set_symbolizer(symbolizer use) noexcept;

enum class dump_format : std::uint8_t {
  text,  ///< a paragraph for each fiber; those that wait in the same way at the same place and were spawned at the same
         ///< place together
  json,  ///< one object: "runtimes", of each its "name", "workers" and "fibers" with the members of fiber_info, times
         ///< in nanoseconds, sizes in bytes; and "backtraces", into which a fiber's "backtrace" is an index
};

/// Writes the fibers of all runtimes of this process, with their backtraces as locate() names them. From any thread or
/// fiber; blocks as the output does. Nothing is written to a stream that has failed. Throws std::bad_alloc.
SENNIT_API void dump_fibers(std::ostream& out, dump_format format = dump_format::text);
/// The same. Throws std::system_error.
SENNIT_API void dump_fibers(std::FILE* out, dump_format format = dump_format::text);
/// The same to a descriptor, which may be non-blocking.
SENNIT_API void dump_fibers(int fd, dump_format format = dump_format::text);
SENNIT_API void dump_fibers(int fd, std::error_code& ec, dump_format format = dump_format::text);

/// While it lives, each `signal` that is sent to the process makes dump_fibers(fd) run, on a thread of its own: also
/// while all workers are stuck. What the signal did before, SIGQUIT's core dump for one, comes back with the end.
/// Constructor and destructor on any thread. Threads, the signal mask and errors of the constructor: as signal_set.
class signal_dump {
 public:
  SENNIT_API explicit signal_dump(int signal, int fd = 2);
  SENNIT_API ~signal_dump();
  signal_dump(const signal_dump&) = delete;
  signal_dump& operator=(const signal_dump&) = delete;

 private:
  stop_source stop_;
  std::thread thread_;
};

/// While it lives, a program that crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, abort()) first writes to `fd` which fiber
/// it was in, and dump_fibers(): a thread of its own does it, and the one that crashed waits, for ten seconds at most,
/// since it may hold a lock that the dump needs. Then it goes on as it would have: another handler, a core file, the
/// end. For programs that do not repair faults and go on: it is done once. Those handlers that are there at its first
/// construction are called after it; ones that are installed later replace it. One at a time (CHECK). Constructor and
/// destructor on any thread. Throws std::system_error(resource_unavailable_try_again) without a thread.
class crash_dump {
 public:
  SENNIT_API explicit crash_dump(int fd = 2);
  SENNIT_API ~crash_dump();
  crash_dump(const crash_dump&) = delete;
  crash_dump& operator=(const crash_dump&) = delete;

 private:
  std::thread thread_;
};

}  // namespace sennit::inline v0
