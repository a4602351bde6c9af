// Compiled twice: as it stands it must pass, with ARRAY the static_assert must say what a future may hold.
#include <sennit/future.hpp>

#if defined(ARRAY)
using result = int[2];
#else
using result = int;
#endif

int main() { return sennit::promise<result>().get_future().valid() ? 0 : 1; }
