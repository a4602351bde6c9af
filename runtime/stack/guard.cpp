#include "stack/guard.hpp"

#include <sys/mman.h>

#include <cerrno>

#include "stack/stack_error.hpp"

namespace sennit::inline v0::detail {

std::error_code install_guards(std::span<std::byte* const> slots, guard_kind& kind, std::size_t& done) noexcept {
  done = 0;
  while (kind == guard_kind::markers && done < slots.size()) {
    const auto rest = slots.subspan(done);
    const auto batch = rest.first(rest.size() < advise_batch ? rest.size() : advise_batch);
    const std::size_t advised = install_markers(batch);
    done += advised;
    if (advised < batch.size()) {
      if (errno == ENOMEM) return stack_errc::no_memory;
      kind = guard_kind::protection;
    }
  }
  for (; done < slots.size(); ++done) {
    if (::mprotect(slots[done], guard_bytes, PROT_NONE) == 0) continue;
    // Taking rights away needs no memory but the mapping it splits off.
    return errno == ENOMEM ? make_error_code(stack_errc::map_limit) : std::error_code(errno, std::system_category());
  }
  return {};
}

}  // namespace sennit::inline v0::detail
