// Compiles as it stands; with FOREIGN a condition_variable waits with the lock of another kind of mutex.
#include <mutex>

#include <sennit/condition_variable.hpp>

int main() {
  sennit::condition_variable cv;
#if defined(FOREIGN)
  std::mutex m;
#else
  sennit::mutex m;
#endif
  std::unique_lock lock(m);
  cv.wait(lock, [] { return true; });
}
