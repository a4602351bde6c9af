#pragma once
// The values of one fiber's fiber_locals.
#include <cstddef>
#include <cstdint>
#include <memory>

#include <sennit/detail/local_value.hpp>

namespace sennit::inline v0::detail {

/// Made at a fiber's first use of a fiber_local, owned by its control block (or by a plain thread) and touched by that
/// fiber only. The table is found by index and holds pointers: values do not move when it grows.
class local_map {
 public:
  local_map() noexcept = default;
  ~local_map() { clear(); }
  local_map(const local_map&) = delete;
  local_map& operator=(const local_map&) = delete;

  [[nodiscard]] local_node* find(const local_slot& slot) const noexcept {
    if (slot.index >= size_) return nullptr;
    local_node* const node = table_[slot.index];
    // A node of another id belongs to a former owner of the index.
    return node != nullptr && node->slot_.id == slot.id ? node : nullptr;
  }
  /// Takes a value that is not here yet. May throw std::bad_alloc.
  void insert(std::unique_ptr<local_node> made);
  void remove(const local_slot& slot) noexcept;
  /// Destroys all values, newest first, and what their destructors make. They find the rest here meanwhile.
  void clear() noexcept;

  /// Copies of the inherited values, in the order in which they were made; nullptr if there are none. Throws what a
  /// copy throws.
  [[nodiscard]] std::unique_ptr<local_map> copy_for_child();

  /// The end of the owner of `map`, which stays in place while destructors run.
  static void end(local_map*& map) noexcept {
    if (map == nullptr) [[likely]]
      return;
    map->clear();
    delete map;
    map = nullptr;
  }

 private:
  static constexpr std::uint32_t smallest_table = 8;
  /// How often values that destructors make are destroyed in turn (threads: PTHREAD_DESTRUCTOR_ITERATIONS).
  static constexpr unsigned most_depth = 4;

  void grow(std::uint32_t index);
  void unlink(local_node& node) noexcept;
  void disinherit_ended() noexcept;

  std::unique_ptr<local_node*[]> table_;
  std::uint32_t size_ = 0;
  unsigned making_depth_ = 0;  // of values made now
  unsigned copying_ = 0;       // copy_for_child() calls that walk the list
  std::size_t inherited_ = 0;  // values that a child gets
  std::uint64_t removals_seen_ = 0;
  local_node* oldest_ = nullptr;
  local_node* newest_ = nullptr;
};

}  // namespace sennit::inline v0::detail
