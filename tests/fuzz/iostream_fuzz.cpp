// sennit::iostream beside std::istringstream: the same reads must give the same, and all that was written goes out.
#include <sstream>

#include <sennit/iostream.hpp>

#include "fuzz/fuzz_target.hpp"

namespace sennit::test {
namespace {

/// One read of both; their results and states, which must be equal.
template <class Read>
void both(std::istream& in, std::istream& reference, Read&& read) {
  in.clear();
  reference.clear();
  must(read(in) == read(reference), "both read the same");
  must(in.rdstate() == reference.rdstate(), "both are in the same state");
}

void read_once(std::istream& in, std::istream& reference, fuzz_input& decide) {
  switch (decide.byte() % 8) {
    case 0:
      return both(in, reference, [](std::istream& s) {
        std::string line;
        std::getline(s, line);
        return line;
      });
    case 1:
      return both(in, reference, [](std::istream& s) {
        int number = 0;
        s >> number;
        return number;
      });
    case 2:
      return both(in, reference, [](std::istream& s) {
        std::string word;
        s >> word;
        return word;
      });
    case 3:
      return both(in, reference, [](std::istream& s) {  // one back, over a read of the stream too
        const int first = s.get();
        if (s) s.unget();
        return std::pair(first, s.get());
      });
    case 4: return both(in, reference, [](std::istream& s) { return s.peek(); });
    case 5: {
      const std::size_t size = decide.word() % 9000;
      return both(in, reference, [size](std::istream& s) {
        std::string block(size, '\0');
        s.read(block.data(), static_cast<std::streamsize>(size));
        return std::pair(block, s.gcount());
      });
    }
    case 6: {
      const int delimiter = decide.byte();
      const std::streamsize most = decide.word();
      return both(in, reference, [=](std::istream& s) {
        s.ignore(most, std::char_traits<char>::to_int_type(static_cast<char>(delimiter)));
        return s.gcount();
      });
    }
    default:
      return both(in, reference, [](std::istream& s) {
        double number = 0;
        s >> std::ws >> number;
        return number == number;  // NaN is not read from text
      });
  }
}

void fuzz_iostream(std::span<const std::uint8_t> bytes) {
  fuzz_input input(bytes);
  const std::uint64_t cuts = input.word();
  const std::string script = input.text(input.byte());
  const std::string text = input.rest();
  std::istringstream reference(text);
  fuzzed_stream stream(text, cuts);
  std::string written;
  {
    sennit::iostream io(stream);
    fuzz_input decide({reinterpret_cast<const std::uint8_t*>(script.data()), script.size()});
    while (!decide.empty()) {
      const std::uint8_t what = decide.byte();
      if (what % 4 != 0) {
        read_once(io, reference, decide);
        continue;
      }
      const std::string piece(decide.word() % 6000, static_cast<char>(what));
      io.clear();
      io << piece;
      written += piece;
      if (what % 16 == 0) io << std::flush;
      must(io.good(), "a write to a stream that takes it succeeds");
      if (what % 16 == 0) must(stream.written == written, "a flush sends all");
    }
  }
  must(stream.written == written, "the destructor sends what is left");
}

const fuzz_target it("iostream", fuzz_iostream);

}  // namespace
}  // namespace sennit::test
