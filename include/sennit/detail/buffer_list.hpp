#pragma once
#include <span>
#include <type_traits>

namespace sennit::inline v0::detail {

/// The operand of a vectored call: refers to a contiguous range of spans (std::array, std::vector, std::span of them),
/// which must outlive the call. No default constructor, so that `{}` stays one empty buffer.
template <class Buffer>
class buffer_list {
 public:
  template <class Range>
    requires(!std::is_same_v<Range, buffer_list> && std::is_constructible_v<std::span<const Buffer>, const Range&>)
  buffer_list(const Range& range) : list_(range) {}  // NOLINT(google-explicit-constructor): a range of buffers is one

  [[nodiscard]] std::span<const Buffer> list() const noexcept { return list_; }

 private:
  std::span<const Buffer> list_;
};

}  // namespace sennit::inline v0::detail
