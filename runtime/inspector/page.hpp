#pragma once
// The files of the page, as they lie in page/; page.cpp is made from them when the library is built.
#include <string_view>

namespace sennit::inline v0::detail {

struct page_file {
  std::string_view path;
  std::string_view type;
  std::string_view content;
};

/// By the path of the request; null if there is none.
[[nodiscard]] const page_file* find_page_file(std::string_view path) noexcept;

}  // namespace sennit::inline v0::detail
