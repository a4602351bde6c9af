#pragma once
// What calls that take a path share.
#include <sys/stat.h>

#include <string>
#include <system_error>

#include <sennit/file_status.hpp>

namespace sennit::inline v0::detail {

/// A path that the system would read differently, cut at a NUL, is refused.
inline bool has_nul(const std::string& path) noexcept { return path.find('\0') != std::string::npos; }

/// Throws std::system_error that names call and path, if `ec` is set.
void throw_for_path(const std::error_code& ec, const char* call, const std::string& path);

[[nodiscard]] file_type type_of(const struct stat& s) noexcept;
[[nodiscard]] file_status status_from(const struct stat& s) noexcept;

}  // namespace sennit::inline v0::detail
