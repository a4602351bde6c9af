#pragma once
// What fiber_local<T> shares with the runtime: the name of a slot, and the value that a fiber has in it.
#include <cstdint>
#include <memory>

#include <sennit/detail/config.hpp>

namespace sennit::inline v0::detail {

/// Names the slot of one fiber_local. The index is used again after that is destroyed, the id never.
struct local_slot {
  std::uint64_t id = 0;
  std::uint32_t index = 0;
};

/// A slot for as long as this lives. May throw std::bad_alloc.
class local_key {
 public:
  SENNIT_API local_key();
  SENNIT_API ~local_key();
  local_key(const local_key&) = delete;
  local_key& operator=(const local_key&) = delete;

  [[nodiscard]] const local_slot& slot() const noexcept { return slot_; }

 private:
  const local_slot slot_;
};

/// A value with its destructor; owned by the local_map of the fiber or thread that made it, and touched by that only.
class SENNIT_API local_node {
 public:
  local_node(const local_slot& slot, bool inherited) noexcept : slot_(slot), inherited_(inherited) {}
  local_node(const local_node&) = delete;
  local_node& operator=(const local_node&) = delete;
  virtual ~local_node() = default;

 protected:
  [[nodiscard]] const local_slot& slot() const noexcept { return slot_; }

 private:
  friend class local_map;

  /// For a child of the fiber; only if it is inherited.
  [[nodiscard]] virtual std::unique_ptr<local_node> copy() const = 0;

  const local_slot slot_;
  bool inherited_;
  unsigned depth_ = 0;  // 0: made by the fiber; n: by the destructor of a value of depth n - 1
  local_node* older_ = nullptr;
  local_node* newer_ = nullptr;
};

template <class T, bool Inherited>
class local_value final : public local_node {
 public:
  template <class Make>
  local_value(const local_slot& slot, const Make& make) : local_node(slot, Inherited), value(make()) {}
  // A destructor that throws ends the process here.
  ~local_value() noexcept override {}  // NOLINT(modernize-use-equals-default): T's may be noexcept(false)

  T value;

 private:
  [[nodiscard]] std::unique_ptr<local_node> copy() const override {
    if constexpr (Inherited) {
      return std::make_unique<local_value>(slot(), [this]() -> T { return T(value); });
    } else {
      return nullptr;
    }
  }
};

/// The caller's value; nullptr if it has none.
[[nodiscard]] SENNIT_API local_node* local_find(const local_slot& slot) noexcept;
/// Gives the caller a value that it did not have. May throw std::bad_alloc.
SENNIT_API void local_insert(std::unique_ptr<local_node> made);
/// Destroys the caller's value, if it has one.
SENNIT_API void local_reset(const local_slot& slot) noexcept;

}  // namespace sennit::inline v0::detail
