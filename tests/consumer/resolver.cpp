// Built against an installed sennit::resolver: names that need no server, and an error of the component's own category.
#include <cstdio>
#include <system_error>

#include <sennit/resolver.hpp>
#include <sennit/sennit.hpp>

int main() {
  const int right = sennit::run([] {
    sennit::resolver names({.config_file = ""});
    int count = 0;
    if (names.resolve("192.0.2.1", "80").front().to_string() == "192.0.2.1:80") ++count;
    if (!names.resolve("localhost", "80").empty()) ++count;
    try {
      names.resolve("not a name", "80");
    } catch (const std::system_error& e) {
      if (e.code() == sennit::resolver_errc::bad_name && e.code() == std::errc::invalid_argument) ++count;
    }
    return count;
  });
  std::printf("consumer_resolver: %d of 3\n", right);
  return right == 3 ? 0 : 1;
}
