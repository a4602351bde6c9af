#pragma once
// Names of files: listing, making, moving and removing them; whole files at once. Every call parks the fiber while a
// helper thread works. All are ambient cancellation points: a stop or deadline that comes before the work has begun
// ends them with operation_canceled or error::deadline_passed; later the work is done to its end, and says how it went.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/error.hpp>
#include <sennit/file.hpp>

namespace sennit::inline v0 {

/// A name in a directory. The type is unknown where the file system does not keep it there: ask path_status().
struct directory_entry {
  std::string name;
  file_type type = file_type::unknown;
};

/// The names in the directory `path`, without "." and "..", sorted. Throws std::system_error with call and path in its
/// message, as all functions here do: no_such_file_or_directory, not_a_directory, permission_denied, ...;
/// invalid_argument for a path with a NUL in it. The other form returns what was read before the error.
SENNIT_API std::vector<directory_entry> read_directory(const std::string& path, const stop_token& stop = {});
SENNIT_API std::vector<directory_entry> read_directory(const std::string& path, std::error_code& ec,
                                                       const stop_token& stop = {});

/// Of what `path` names, symbolic links followed; link_status(): of the link itself.
SENNIT_API file_status path_status(const std::string& path, const stop_token& stop = {});
SENNIT_API file_status path_status(const std::string& path, std::error_code& ec, const stop_token& stop = {});
SENNIT_API file_status link_status(const std::string& path, const stop_token& stop = {});
SENNIT_API file_status link_status(const std::string& path, std::error_code& ec, const stop_token& stop = {});

/// Gives a file another name, in place of what had that name, in one step. Errors: cross_device_link,
/// directory_not_empty and those above.
SENNIT_API void rename_path(const std::string& from, const std::string& to, const stop_token& stop = {});
SENNIT_API void rename_path(const std::string& from, const std::string& to, std::error_code& ec,
                            const stop_token& stop = {});

/// Removes a name: that of a file, or of an empty directory (else directory_not_empty).
SENNIT_API void remove_path(const std::string& path, const stop_token& stop = {});
SENNIT_API void remove_path(const std::string& path, std::error_code& ec, const stop_token& stop = {});

/// Makes a directory with `permissions`, less the umask. file_exists if the name is taken.
SENNIT_API void make_directory(const std::string& path, unsigned permissions = 0777, const stop_token& stop = {});
SENNIT_API void make_directory(const std::string& path, unsigned permissions, std::error_code& ec,
                               const stop_token& stop = {});

/// All bytes of a file, whose size need not be known (/proc). On an error: what was read before it.
SENNIT_API std::string read_file(const std::string& path, const stop_token& stop = {});
SENNIT_API std::string read_file(const std::string& path, std::error_code& ec, const stop_token& stop = {});

/// Makes the file if need be, and `data` its content. Not in one step: who reads meanwhile sees a part.
SENNIT_API void write_file(const std::string& path, std::span<const std::byte> data, const stop_token& stop = {});
SENNIT_API void write_file(const std::string& path, std::span<const std::byte> data, std::error_code& ec,
                           const stop_token& stop = {});
inline void write_file(const std::string& path, std::string_view text, const stop_token& stop = {}) {
  write_file(path, std::as_bytes(std::span(text)), stop);
}
inline void write_file(const std::string& path, std::string_view text, std::error_code& ec,
                       const stop_token& stop = {}) {
  write_file(path, std::as_bytes(std::span(text)), ec, stop);
}

}  // namespace sennit::inline v0
