// Compiled twice by the clang lane: as it stands it must pass, with OMIT_LOCK the thread-safety analysis must reject
// it.
#include <sennit/detail/thread_annotations.hpp>

namespace {

class SENNIT_CAPABILITY("mutex") lock {
 public:
  void acquire() SENNIT_ACQUIRE() {}
  void release() SENNIT_RELEASE() {}
};

class account {
 public:
  void deposit(int amount) {
#if !defined(OMIT_LOCK)
    lock_.acquire();
#endif
    add(amount);
#if !defined(OMIT_LOCK)
    lock_.release();
#endif
  }

 private:
  void add(int amount) SENNIT_REQUIRES(lock_) { balance_ += amount; }

  lock lock_;
  int balance_ SENNIT_GUARDED_BY(lock_) = 0;
};

}  // namespace

int main() {
  account a;
  a.deposit(1);
}
