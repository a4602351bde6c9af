// libFuzzer's way in, linked with one of the targets: tests.cmake makes a program of each.
#include "fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sennit::test::fuzz_target::all().front().run({data, size});
  return 0;
}
