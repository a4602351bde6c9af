// Rung 23: programs that stand still, and what the runtime says of them.
//
// Its monitor looks once all workers sleep. Fibers of which each waits for a mutex that the next one holds, or for the
// end of the next one, are a circle, and reported whatever else there is. Where every fiber waits for another one and
// no timer, descriptor or other thread is left that could wake any, all of them are reported, as Go does it. Both are
// warnings: the program stands where it is, to be looked at. Send it SIGQUIT (Ctrl-\) for a dump with backtraces, and
// SIGINT (Ctrl-C) for its end.
//
//   23_deadlock --what mutexes     two accounts, locked in both orders
//   23_deadlock --what channel     a message that nobody sends
#include <csignal>
#include <iostream>
#include <mutex>
#include <string>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

struct account {
  sennit::mutex m;
  int money = 100;
};

/// Locks one after the other. std::scoped_lock(from.m, to.m) would be right.
void transfer(account& from, account& to, int money, sennit::barrier<>& both_begin) {
  const std::lock_guard first(from.m);
  both_begin.arrive_and_wait();  // else one may be done before the other begins
  const std::lock_guard second(to.m);
  from.money -= money;
  to.money += money;
}

void mutexes() {
  account a, b;
  sennit::barrier<> both_begin(2);
  sennit::fiber there(sennit::attributes{.name = "a to b"}, [&] { transfer(a, b, 10, both_begin); });
  sennit::fiber back(sennit::attributes{.name = "b to a"}, [&] { transfer(b, a, 20, both_begin); });
  there.join();
  back.join();
}

void channel() {
  sennit::channel<int> orders(4);
  sennit::fiber cook(sennit::attributes{.name = "cook"}, [&] {
    while (orders.receive()) {}
  });
  cook.join();  // and orders.close() after it: the wrong way round
  orders.close();
}

}  // namespace

int main(int argc, char** argv) {
  example::command_line cli("Stands still in one of two ways, and is told of it.");
  std::string what = "mutexes";
  cli.add("--what", what, "mutexes or channel")->check(CLI::IsMember({"mutexes", "channel"}));
  cli.parse(argc, argv);

  const sennit::signal_dump on_quit(SIGQUIT);
  sennit::runtime rt(cli.runtime_options());
  rt.run([&] { what == "mutexes" ? mutexes() : channel(); });
}
