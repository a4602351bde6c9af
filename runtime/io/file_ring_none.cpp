#include "io/file_ring.hpp"

namespace sennit::inline v0::detail {

std::ptrdiff_t run_on_ring(worker&, const file_call&, wait_bound) noexcept { return ring_declined; }

bool ring_works() noexcept { return false; }

}  // namespace sennit::inline v0::detail
