// Rung 4: a pipeline of fibers, joined by channels.
//
//   numbers 1..100 --> three squarers --> sum
//
// A channel hands values from fiber to fiber. This one holds four: when it is full, send() parks the sender, when it is
// empty, receive() parks the receiver, so a fast stage waits for a slow one and memory stays bounded. close() says that
// no more will come: the range-for of every receiver ends once the channel is drained.
#include <iostream>

#include <sennit/sennit.hpp>

int main() {
  const int total = sennit::run([] {
    sennit::channel<int> numbers(4);
    sennit::channel<int> squares(4);
    int sum = 0;

    sennit::scope pipeline;  // its fibers end before it does; the first exception would stop them all
    pipeline.spawn([&] {
      for (int i = 1; i <= 100; ++i) numbers.send(i);
      numbers.close();
    });
    pipeline.spawn([&] {
      sennit::scope squarers;  // three at once; their results arrive in any order
      for (int i = 0; i < 3; ++i)
        squarers.spawn([&] {
          for (const int n : numbers) squares.send(n * n);
        });
      squarers.join();  // only when all three are done is there nobody left to send
      squares.close();
    });
    pipeline.spawn([&] {
      for (const int square : squares) sum += square;
    });
    pipeline.join();
    return sum;
  });
  std::cout << "the sum of the squares from 1 to 100 is " << total << '\n';
}
