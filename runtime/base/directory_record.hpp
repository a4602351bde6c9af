#pragma once
// An entry of a directory as the kernel gives it. The only file that knows what the systems call it.
#include <dirent.h>

namespace sennit::inline v0::detail {

#if defined(__APPLE__)
using directory_record = struct dirent;
#else
using directory_record = struct dirent64;
#endif

}  // namespace sennit::inline v0::detail
