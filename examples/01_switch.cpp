// Rung 1: two contexts by hand.
//
// A context is a function with a stack of its own, and nothing else: no scheduler, no thread. resume() goes on with it,
// suspend() comes back. Everything above this rung (fibers, sleeping, sockets) only decides who is resumed next. Here
// main() decides: it weaves two functions together, each written as if it were alone.
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <sennit/context.hpp>

int main() {
  constexpr std::size_t stack_size = 64 * 1024;
  std::string word;

  // The loop variable, the position in the loop: all of it stays where it is, on the context's own stack.
  sennit::context animals(stack_size, [&](sennit::context& self) {
    for (const char* animal : {"ant", "bee", "cat"}) {
      word = animal;
      self.suspend();
    }
  });
  sennit::context numbers(stack_size, [&](sennit::context& self) {
    for (int n = 1;; ++n) {  // has no end: main() just stops asking
      word = std::to_string(n);
      self.suspend();
    }
  });

  for (;;) {
    animals.resume();
    if (animals.done()) break;
    std::cout << "animal " << word << '\n';
    numbers.resume();
    std::cout << "number " << word << '\n';
  }
  std::cout << "the animals are done, the numbers are " << (numbers.done() ? "done" : "suspended") << '\n';

  // An exception leaves the context through resume(), as if resume() had been an ordinary call.
  sennit::context faulty(stack_size, [](sennit::context& self) {
    self.suspend();
    throw std::runtime_error("thrown on the context's stack");
  });
  faulty.resume();
  try {
    faulty.resume();
  } catch (const std::runtime_error& error) {
    std::cout << "caught in main: " << error.what() << '\n';
  }

  // A context that is destroyed while it is suspended unwinds first: what it holds is released.
  struct says_goodbye {
    ~says_goodbye() { std::cout << "unwound\n"; }
  };
  {
    sennit::context abandoned(stack_size, [held = std::make_unique<int>(42)](sennit::context& self) {
      const says_goodbye guard;
      std::cout << "holding " << *held << '\n';
      self.suspend();
      std::cout << "never printed\n";
    });
    abandoned.resume();
  }
  std::cout << "end of main\n";
}
