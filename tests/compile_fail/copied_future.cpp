// Compiled twice: as it stands it must pass, with COPY it must be rejected, in words that name the copy.
#include <utility>

#include <sennit/future.hpp>

int main() {
  sennit::promise<int> p;
  sennit::future<int> f = p.get_future();
#if defined(COPY)
  sennit::future<int> other = f;
#else
  sennit::future<int> other = std::move(f);
#endif
  p.set_value(1);
  return other.get() - 1;
}
