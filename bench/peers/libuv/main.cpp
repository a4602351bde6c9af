// libuv's echo, on its default loop. Workloads: bench/groups.py; command line: bench/peers/README.md.
#include <uv.h>

#include <array>
#include <memory>

#include "common/program.hpp"

namespace {

void must(int result) {
  if (result < 0) bench::fail(uv_strerror(result));
}

/// A connection with one request at a time, so that one buffer does for both ways.
struct session {
  uv_tcp_t socket{};
  uv_write_t request{};
  std::unique_ptr<std::array<char, bench::echo_buffer>> bytes;
};

/// Whether a connection that says nothing is to have no buffer.
bool spare = false;
/// Whether a connection ends with its first answer.
bool once = false;

session& of(void* data) { return *static_cast<session*>(data); }

void close(session& s) {
  uv_close(reinterpret_cast<uv_handle_t*>(&s.socket), [](uv_handle_t* h) { delete &of(h->data); });
}

void done(session& s) {
  if (spare) s.bytes.reset();
}

void give_buffer(uv_handle_t* h, std::size_t, uv_buf_t* into) {
  session& s = of(h->data);
  if (s.bytes == nullptr) s.bytes = std::make_unique<std::array<char, bench::echo_buffer>>();
  *into = uv_buf_init(s.bytes->data(), bench::echo_buffer);
}

void have_read(uv_stream_t* stream, ssize_t n, const uv_buf_t*) {
  session& s = of(stream->data);
  if (n < 0) return close(s);
  if (n == 0) return done(s);
  // uv_try_write is libuv's way to write what the socket takes now; the rest is queued.
  uv_buf_t rest = uv_buf_init(s.bytes->data(), static_cast<unsigned>(n));
  const int now = uv_try_write(stream, &rest, 1);
  if (now == n) return once ? close(s) : done(s);
  if (now < 0 && now != UV_EAGAIN) return close(s);
  rest = uv_buf_init(s.bytes->data() + std::max(now, 0), static_cast<unsigned>(n - std::max(now, 0)));
  must(uv_read_stop(stream));
  must(uv_write(&s.request, stream, &rest, 1, [](uv_write_t* request, int result) {
    if (result < 0) return close(of(request->handle->data));
    if (once) return close(of(request->handle->data));
    done(of(request->handle->data));
    must(uv_read_start(request->handle, give_buffer, have_read));
  }));
}

void have_connection(uv_stream_t* listener, int result) {
  must(result);
  auto* const s = new session;
  s->socket.data = s;
  must(uv_tcp_init(listener->loop, &s->socket));
  auto* const stream = reinterpret_cast<uv_stream_t*>(&s->socket);
  must(uv_accept(listener, stream));
  must(uv_tcp_nodelay(&s->socket, 1));
  must(uv_read_start(stream, give_buffer, have_read));
}

void serve() {
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  must(uv_tcp_init(loop, &listener));
  sockaddr_in at{};
  must(uv_ip4_addr("127.0.0.1", 0, &at));
  must(uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&at), 0));
  must(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, have_connection));
  int size = sizeof at;
  must(uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&at), &size));
  bench::say_port(ntohs(at.sin_port));
  uv_run(loop, UV_RUN_DEFAULT);
}

constexpr bench::server servers[] = {
    {"--serve", bench::echo_names, serve},
    {"--serve-idle", bench::idle_names,
     [] {
       spare = true;
       serve();
     }},
    {"--serve-churn", bench::churn_names,
     [] {
       once = true;
       serve();
     }},
};

}  // namespace

int main(int argc, char** argv) {
  char version[64];
  std::snprintf(version, sizeof version, "libuv %s (g++ %s)", uv_version_string(), __VERSION__);
  return bench::program(argc, argv, version, {}, servers);
}
