#include "stack/arena.hpp"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "base/atomic.hpp"
#include "base/check.hpp"
#include "base/sanitizer.hpp"
#include "stack/stack_error.hpp"

namespace sennit::inline v0::detail {
namespace {

// Which arena numbers (address / 64 MiB) are ours, and of which class: two levels over 48 bits of address, read by a
// signal handler. Leaves are never freed: one is 1 KiB, covers 64 GiB, and a handler may be reading it.
constexpr std::size_t leaf_size = 1024;
constexpr std::size_t root_size = (std::size_t{1} << 48) / arena_bytes / leaf_size;
struct leaf {
  std::array<atomic<std::uint8_t>, leaf_size> entries;  // 0: not ours; else 1 + class
};
constinit std::array<atomic<leaf*>, root_size> root{};

/// The entry for arena number `n`, or null if none was ever made.
atomic<std::uint8_t>* find_entry(std::uintptr_t n) noexcept {
  if (n / leaf_size >= root_size) return nullptr;
  leaf* const found = root[n / leaf_size].load(acquire);  // mm:arena-leaf
  return found == nullptr ? nullptr : &found->entries[n % leaf_size];
}

atomic<std::uint8_t>* make_entry(std::uintptr_t n) noexcept {
  SENNIT_CHECK_SEEN(n / leaf_size < root_size, "stacks need mappings below 2^48: do not move them higher", n);
  if (auto* const entry = find_entry(n)) return entry;
  auto* made = new (std::nothrow) leaf;
  if (made == nullptr) return nullptr;
  // Two pools may get here at once: the loser takes the winner's leaf.
  leaf* expected = nullptr;
  if (!root[n / leaf_size].compare_exchange_strong(expected, made, acq_rel, acquire)) {  // mm:arena-leaf
    delete std::exchange(made, expected);
  }
  return &made->entries[n % leaf_size];
}

std::uintptr_t number_of(const void* address) noexcept {
  return reinterpret_cast<std::uintptr_t>(address) / arena_bytes;
}

/// errno of a refused arena told apart by asking for less: no file needs to be read for it.
stack_errc why_not_mapped() noexcept {
  const auto possible = [](std::size_t bytes) {
    void* const p = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p != MAP_FAILED && ::munmap(p, bytes) == 0;
  };
  if (possible(arena_bytes)) return stack_errc::commit_limit;  // room there is: what counts is that it is writable
  return possible(guard_bytes) ? stack_errc::address_space : stack_errc::map_limit;
}

std::byte* reserve(std::size_t bytes) noexcept {
  void* const p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
}

/// Mappings grow downwards side by side: once one is aligned, the next mostly is by itself.
std::byte* reserve_aligned() noexcept {
  std::byte* p = reserve(arena_bytes);
  const auto excess = [](std::byte* at) { return reinterpret_cast<std::uintptr_t>(at) % arena_bytes; };
  if (p == nullptr || excess(p) == 0) return p;
  ::munmap(p, arena_bytes);
  p = reserve(2 * arena_bytes);
  if (p == nullptr) return nullptr;
  const std::size_t before = (arena_bytes - excess(p)) % arena_bytes;
  if (before != 0) ::munmap(p, before);
  ::munmap(p + before + arena_bytes, arena_bytes - before);
  return p + before;
}

}  // namespace

std::error_code arena::map(stack_class cls, guard_kind wanted, arena& out) noexcept {
  arena made;
  made.base_ = reserve_aligned();
  if (made.base_ == nullptr) {
    return errno == ENOMEM ? make_error_code(why_not_mapped()) : std::error_code(errno, std::system_category());
  }
  made.cls_ = cls;
  made.guards_ = wanted;
  auto* const entry = make_entry(number_of(made.base_));
  if (entry == nullptr) return stack_errc::no_memory;
  refuse_huge_pages(made.base_, arena_bytes);
  if (wanted != guard_kind::protection) {
    const bool work = markers_work(made.base_ + first_slot(cls));
    if (!work && wanted == guard_kind::markers) return stack_errc::guards_unsupported;
    made.guards_ = work ? guard_kind::markers : guard_kind::protection;
  }
  entry->store(static_cast<std::uint8_t>(1 + index_of(cls)), release);  // mm:arena-entry
  out = std::move(made);
  return {};
}

arena::~arena() {
  if (base_ == nullptr) return;
  // Before the unmapping: the kernel may give the same addresses to another pool's arena at once.
  if (auto* const entry = find_entry(number_of(base_))) entry->store(0, release);  // mm:arena-entry
  for (const unsigned id : valgrind_ids_) VALGRIND_STACK_DEREGISTER(id);
  ::munmap(base_, arena_bytes);
}

arena::arena(arena&& from) noexcept
    : base_(std::exchange(from.base_, nullptr)),
      carved_(from.carved_),
      cls_(from.cls_),
      guards_(from.guards_),
      valgrind_ids_(std::move(from.valgrind_ids_)) {}

arena& arena::operator=(arena&& from) noexcept {
  std::swap(base_, from.base_);
  carved_ = from.carved_;
  cls_ = from.cls_;
  guards_ = from.guards_;
  std::swap(valgrind_ids_, from.valgrind_ids_);
  return *this;
}

std::error_code arena::carve(std::span<std::byte*> out, std::size_t& made) noexcept {
  const std::size_t wanted = out.size() < left() ? out.size() : left();
  for (std::size_t i = 0; i < wanted; ++i) {
    out[i] = base_ + first_slot(cls_) + (carved_ + i) * slot_bytes[index_of(cls_)];
  }
  const auto error = install_guards(out.first(wanted), guards_, made);
  carved_ += made;
  // Valgrind takes a large step of the stack pointer for a switch only if it ends in another stack that it knows.
  if (RUNNING_ON_VALGRIND != 0) {
    for (std::byte* const slot : out.first(made)) {
      const stack s{slot, cls_};
      valgrind_ids_.push_back(VALGRIND_STACK_REGISTER(s.limit(), s.end() - 1));
    }
  }
  return error;
}

stack find_stack(const void* address) noexcept {
  const auto* const entry = find_entry(number_of(address));
  const std::uint8_t kind = entry == nullptr ? 0 : entry->load(acquire);  // mm:arena-entry
  if (kind == 0) return {};
  const auto cls = static_cast<stack_class>(kind - 1);
  const auto offset = reinterpret_cast<std::uintptr_t>(address) % arena_bytes;
  const std::size_t slot = (offset - first_slot(cls)) / slot_bytes[index_of(cls)];
  if (offset < first_slot(cls) || slot >= slots_per_arena(cls)) return {};
  auto* const base = static_cast<std::byte*>(const_cast<void*>(address)) - offset;
  return {base + first_slot(cls) + slot * slot_bytes[index_of(cls)], cls};
}

}  // namespace sennit::inline v0::detail
