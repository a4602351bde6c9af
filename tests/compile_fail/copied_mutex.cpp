// Compiles as it stands; with COPY a mutex is copied.
#include <sennit/mutex.hpp>

int main() {
  sennit::mutex m;
#if defined(COPY)
  sennit::mutex n = m;
  n.lock();
#endif
  m.lock();
  m.unlock();
}
