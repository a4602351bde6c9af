#include <sennit/detail/exit_node.hpp>

#include "sched/current.hpp"
#include "sched/park.hpp"

namespace sennit::inline v0::detail {

void run_at_exit(exit_node& node) noexcept {
  if (fiber_block* f = current_fiber()) {
    f->exits.add(node);
  } else if (exit_list* const list = this_thread_exits()) {
    list->add(node);
  } else {
    node.run(node);  // from the destructor of a thread_local, after the list was run
  }
}

}  // namespace sennit::inline v0::detail
