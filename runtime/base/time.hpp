#pragma once
// Time for runtime/: the type of include/sennit, so that public headers and the scheduler agree on it.
#include <sennit/detail/time.hpp>
