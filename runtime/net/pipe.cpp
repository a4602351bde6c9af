#include <array>

#include <sennit/pipe.hpp>

#include "net/socket.hpp"

namespace sennit::inline v0 {

pipe pipe::open(std::error_code& ec) {
  std::array<int, 2> ends{};
  if (const int result = detail::current_host().pipe(ends.data()); result < 0) {
    ec = detail::host_error(result);
    return {};
  }
  std::error_code of_writer;
  pipe made;
  made.reader = pipe_reader(detail::make_handle(ends[0], detail::fd_kind::no_socket, false, ec));
  made.writer = pipe_writer(detail::make_handle(ends[1], detail::fd_kind::no_socket, false, of_writer));
  if (!ec) ec = of_writer;
  return ec ? pipe() : std::move(made);
}

pipe pipe::open() {
  std::error_code ec;
  pipe made = open(ec);
  detail::throw_if(ec, "sennit: pipe::open");
  return made;
}

pipe_reader pipe_reader::adopt(int fd) {
  return pipe_reader(detail::adopt_descriptor(fd, detail::fd_kind::no_socket, "sennit: pipe_reader::adopt"));
}

pipe_writer pipe_writer::adopt(int fd) {
  return pipe_writer(detail::adopt_descriptor(fd, detail::fd_kind::no_socket, "sennit: pipe_writer::adopt"));
}

}  // namespace sennit::inline v0
