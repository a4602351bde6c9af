#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

#include "io/retry.hpp"
#include "net/socket.hpp"
#include "net/steering.hpp"

namespace sennit::inline v0::detail {
namespace {

template <std::size_t Size>
std::error_code attach_program(int fd, int option, std::array<sock_filter, Size> code) noexcept {
  const sock_fprog program{.len = static_cast<unsigned short>(Size), .filter = code.data()};
  const int result = current_host().setsockopt(fd, SOL_SOCKET, option, &program, sizeof program);
  return result < 0 ? host_error(result) : std::error_code();
}

}  // namespace

const bool listeners_share = true;

std::error_code steer_by_cpu(int fd, unsigned count) noexcept {
  // A = the CPU; A %= count; return A.
  return attach_program(
      fd, SO_ATTACH_REUSEPORT_CBPF,
      std::array<sock_filter, 3>{
          sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(SKF_AD_OFF + SKF_AD_CPU)),
          sock_filter BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count), sock_filter BPF_STMT(BPF_RET | BPF_A, 0)});
}

bool refuse_new(int fd, bool tcp) noexcept {
  // A Unix listener that is shut down for receiving refuses who connects, and still hands out who has.
  if (!tcp) return current_host().shutdown(fd, SHUT_RD) == 0;
  // shutdown() would reset a TCP backlog, and listen(fd, 0) lets one more in. A filter on the listener sees each packet
  // before the protocol does, from the TCP header on: it drops what would begin a handshake, SYN without ACK, as a
  // network might. The client tries again after a second, and is refused by then. Connections inherit the filter, where
  // no such packet is of any use.
  constexpr unsigned flags_at = 13;
  constexpr unsigned syn = 0x02;
  constexpr unsigned ack = 0x10;
  return !attach_program(fd, SO_ATTACH_FILTER,
                         std::array<sock_filter, 5>{sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_at),
                                                    sock_filter BPF_STMT(BPF_ALU | BPF_AND | BPF_K, syn | ack),
                                                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, syn, 0, 1),
                                                    sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
                                                    sock_filter BPF_STMT(BPF_RET | BPF_K, 0xffffffff)});
}

}  // namespace sennit::inline v0::detail
