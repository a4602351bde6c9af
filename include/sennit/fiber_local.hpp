#pragma once
// fiber_local: thread_local for fibers.
#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <sennit/detail/local_value.hpp>

namespace sennit::inline v0 {

/// fiber_local<T, inherit>: children start with a copy.
struct inherit {};

/// Names a T that each fiber has for itself, as a thread_local is each thread's; on a plain thread it is the thread's.
/// Usually of static duration; may be a member or a local variable too. Used from any fiber or thread, at once as well:
/// each reaches its own value only.
///
/// A value is made at the fiber's first use, and stays where it is over waits and migrations, until reset() or the end
/// of the fiber. Then, after the fiber's function and what that held are destroyed, the values are, newest first, on
/// the fiber itself: their destructors may wait (and are cancellation points as usual) and may use fiber_locals. One
/// that throws terminates. Values that destructors make are destroyed in turn; CHECK: not more than four times over.
/// Values outlive their fiber_local if the fiber does. Those of a fiber that did not end by the runtime's
/// shutdown_timeout are not destroyed. On a plain thread they are destroyed with its thread_locals; those that the
/// destructors of other thread_locals make later are not.
///
/// With `inherit` a new fiber starts with copies of the values that its spawner, fiber or plain thread, has at the
/// spawn (fiber, spawn, go, scope::spawn, runtime::spawn, runtime::run). If a copy throws, so does the spawn, and there
/// is no new fiber. CHECK: a copy constructor must not reset() values of its fiber.
template <class T, class Policy = void>
class fiber_local {
  static_assert(std::is_object_v<T> && !std::is_array_v<T>, "fiber_local holds objects; use std::array for arrays");
  static_assert(std::is_void_v<Policy> || std::is_same_v<Policy, inherit>, "fiber_local<T> or fiber_local<T, inherit>");
  static constexpr bool inherited = std::is_same_v<Policy, inherit>;
  static_assert(!inherited || std::is_copy_constructible_v<T>, "an inherited value is copied to the child");

 public:
  /// Values start as T(). Throws std::bad_alloc, as the other constructors.
  fiber_local()
    requires std::is_default_constructible_v<T>
  = default;
  /// Values start as init(), called by each fiber at its first use: from several threads at once, so as a const object.
  template <class Init>
    requires(!std::same_as<std::remove_cvref_t<Init>, T> && std::is_invocable_r_v<T, const std::decay_t<Init>&>)
  explicit fiber_local(Init&& init) : first_(new const first_of<std::decay_t<Init>>(std::forward<Init>(init))) {}
  /// Values start as copies of `first`.
  explicit fiber_local(T first)
    requires std::is_copy_constructible_v<T>
      : fiber_local([value = std::move(first)]() -> T { return value; }) {}
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;
  ~fiber_local() = default;

  /// The caller's value. Throws what its making does: then there is none yet, and the next use tries again. CHECK: an
  /// initialiser must not use the fiber_local that it is for.
  [[nodiscard]] T& get() const {
    if (detail::local_node* const node = detail::local_find(key_.slot())) [[likely]]
      return static_cast<value&>(*node).value;
    return make();
  }
  [[nodiscard]] T& operator*() const { return get(); }
  T* operator->() const { return std::addressof(get()); }

  /// True if the caller has a value already; makes none.
  [[nodiscard]] bool has_value() const noexcept { return detail::local_find(key_.slot()) != nullptr; }
  /// Destroys the caller's value, if it has one; the next use makes a new one.
  void reset() const noexcept { detail::local_reset(key_.slot()); }

 private:
  using value = detail::local_value<T, inherited>;

  struct first_value {
    virtual ~first_value() = default;
    [[nodiscard]] virtual std::unique_ptr<value> make(const detail::local_slot& slot) const = 0;
  };
  template <class Init>
  struct first_of final : first_value {
    template <class From>
      requires(!std::same_as<std::remove_cvref_t<From>, first_of>)
    explicit first_of(From&& from) : init(std::forward<From>(from)) {}
    [[nodiscard]] std::unique_ptr<value> make(const detail::local_slot& slot) const override {
      return std::make_unique<value>(slot, [this]() -> T { return std::invoke(init); });
    }
    const Init init;
  };

  T& make() const {
    std::unique_ptr<value> made;
    if constexpr (std::is_default_constructible_v<T>) {
      made = first_ != nullptr ? first_->make(key_.slot())
                               : std::make_unique<value>(key_.slot(), []() -> T { return T(); });
    } else {
      made = first_->make(key_.slot());
    }
    T& here = made->value;
    detail::local_insert(std::move(made));
    return here;
  }

  const detail::local_key key_;
  const std::unique_ptr<const first_value> first_;  // null: T()
};

}  // namespace sennit::inline v0
