#pragma once
#include <sennit/detail/config.hpp>

namespace sennit::inline v0::detail {

/// What is to be done when the fiber or plain thread that registered it has ended. Owned by whoever registers it, until
/// `run` is called; `run` may free it.
struct exit_node {
  void (*run)(exit_node& self) noexcept = nullptr;
  exit_node* next = nullptr;
};

/// Registers `node` with the calling fiber: run on it after its function, the function's arguments and its fiber_locals
/// are destroyed, before anybody who joins it goes on. The last one registered runs first. On a plain thread: run with
/// the destructors of its thread_locals. A fiber that is abandoned by a shutdown runs nothing.
SENNIT_API void run_at_exit(exit_node& node) noexcept;

}  // namespace sennit::inline v0::detail
