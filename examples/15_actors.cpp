// Rung 15: actors: state that belongs to one fiber, and a mailbox to ask it through.
//
// An account takes one message after the other, so it needs no lock. A question carries a promise for its answer; who
// asks waits for the future. An answer may be an exception (no money), which ends nobody. When the actor itself fails,
// the promise that it held is broken, its supervisor says so and starts it again, and the mailbox is still there.
//
// Each transfer has a request id in a fiber_local<T, inherit>: the fibers it starts have it too, without a parameter.
// To the accounts, which live longer than any request, it travels in the message.
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>

#include <sennit/sennit.hpp>

#include "support/cli.hpp"

namespace {

const sennit::fiber_local<std::string, sennit::inherit> request([] { return std::string("main"); });

void log(const std::string& text) {
  static sennit::mutex out;
  const std::lock_guard lock(out);
  std::cout << '[' << *request << "] " << text << '\n';
}

struct change {
  long amount;
};
struct balance {};
using question = std::variant<change, balance>;

class account {
 public:
  explicit account(std::string name) : name_(std::move(name)) {}

  /// The new balance. The future may bring std::runtime_error, or broken_promise if the actor failed on the message.
  sennit::future<long> ask(question asked) {
    message m{*request, asked, {}};
    auto answer = m.answer.get_future();
    mailbox_.send(std::move(m));
    return answer;
  }
  void close() { mailbox_.close(); }

  /// The supervisor: runs the actor until its mailbox is closed, and again whenever it fails.
  void supervise() {
    for (bool failed = true; failed;) {
      sennit::scope actor;
      actor.spawn({.name = name_}, &account::run, this);
      try {
        actor.join();
        failed = false;
      } catch (const std::logic_error& e) {
        log(name_ + " failed (" + e.what() + ") and is started again");
      }
    }
  }

 private:
  struct message {
    std::string request;
    question asked;
    sennit::promise<long> answer;
  };

  void run() {
    for (message& m : mailbox_) {
      *request = m.request;
      std::visit([&](const auto& asked) { handle(asked, m.answer); }, m.asked);
    }
  }
  void handle(const change& c, sennit::promise<long>& answer) {
    if (c.amount == 0) throw std::logic_error("a change of 0");
    if (balance_ + c.amount < 0)
      return answer.set_exception(std::make_exception_ptr(std::runtime_error("no money: " + name_)));
    log(name_ + (c.amount > 0 ? " +" : " ") + std::to_string(c.amount));
    answer.set_value(balance_ += c.amount);
  }
  void handle(const balance&, sennit::promise<long>& answer) const { answer.set_value(balance_); }

  const std::string name_;
  sennit::channel<message> mailbox_{16};  // bounded: who asks faster than it answers has to wait
  long balance_ = 0;                      // touched by the actor only
};

void transfer(std::string id, account& from, account& to, long amount) {
  *request = std::move(id);
  try {
    from.ask(change{-amount}).get();
    to.ask(change{amount}).get();
    sennit::scope notices;
    for (const std::string_view whom : {"payer", "payee"})
      notices.spawn([whom] { log("told the " + std::string(whom)); });  // a child: it has our request id
    notices.join();
  } catch (const std::runtime_error& e) {
    log(std::string("refused: ") + e.what());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  example::command_line line("Accounts as actors.");
  line.parse(argc, argv);
  sennit::run(line.runtime_options(), [] {
    account ann("ann");
    account bob("bob");
    sennit::scope actors;
    actors.spawn(&account::supervise, &ann);
    actors.spawn(&account::supervise, &bob);

    ann.ask(change{100}).get();
    sennit::scope requests;
    requests.spawn(transfer, "r1", std::ref(ann), std::ref(bob), 30);
    requests.spawn(transfer, "r2", std::ref(ann), std::ref(bob), 50);
    requests.spawn(transfer, "r3", std::ref(bob), std::ref(ann), 1000);
    requests.join();
    try {
      bob.ask(change{0}).get();
    } catch (const std::future_error& e) {
      log(std::string("no answer: ") + (e.code() == std::future_errc::broken_promise ? "broken promise" : e.what()));
    }
    log("ann " + std::to_string(ann.ask(balance{}).get()) + ", bob " + std::to_string(bob.ask(balance{}).get()));
    ann.close();
    bob.close();
    actors.join();
  });
} catch (const std::exception& e) {
  std::cerr << "15_actors: " << e.what() << '\n';
  return 1;
}
