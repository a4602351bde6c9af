// Contexts on Boost.Context's fcontext, for architectures without assembly here and as a second opinion on those with.
#include <boost/context/detail/fcontext.hpp>

#include <new>

#include "context/switch_site.hpp"

namespace sennit::inline v0::detail {
namespace {

namespace fc = boost::context::detail;

/// context::sp points to one of these on the suspended stack: where Boost resumes it, and what Boost would lose.
struct anchor {
  fc::fcontext_t where;
  fp_env fp;
  context_entry entry;  // before the first run only
};

/// Boost hands over one pointer, and where it left only to the side that is reached: it completes the left anchor.
struct boost_crossing {
  context& from;
  void* transfer;
  anchor* left;
  anchor* reached;
};

SENNIT_SWITCH_INLINE const boost_crossing& complete(fc::transfer_t reached) {
  const auto* const in = static_cast<const boost_crossing*>(reached.data);
  in->left->where = reached.fctx;
  install_fp_env(in->reached->fp);
  return *in;
}

SENNIT_SWITCH_INLINE const boost_crossing& jump(const last_switch& how, bool final) {
  anchor here{nullptr, current_fp_env(), nullptr};
  auto* const there = static_cast<anchor*>(how.to.sp);
  how.from.sp = &here;
  boost_crossing out{how.from, how.transfer, &here, there};
  leave(how.from, how.to, how.live, final);
  return complete(fc::jump_fcontext(there->where, &out));
}

/// noexcept: an exception that leaves the entry terminates at its throw site, with the guilty frames on the stack.
SENNIT_SWITCH_CODE void start(fc::transfer_t reached) noexcept {
  const boost_crossing& in = complete(reached);
  arrive(nullptr, in.from);
  jump(in.reached->entry(in.transfer), true);
  __builtin_unreachable();
}

}  // namespace

const char* const context_name = "boost";

SENNIT_SWITCH_CODE void make_context(context& into, void* limit, void* top, context_entry entry, fp_env fp) noexcept {
  make_clean(into, limit, top, [&]() SENNIT_SWITCH_CODE {
    // Boost's first frame lies in these words: its saved registers start as zero. volatile: no memset, which TSan sees.
    constexpr std::size_t first_frame_words = 64;
    auto* const place = static_cast<std::byte*>(top) - (sizeof(anchor) + 15) / 16 * 16;
    auto* const words = reinterpret_cast<volatile std::uint64_t*>(place) - first_frame_words;
    for (std::size_t i = 0; i < first_frame_words; ++i) words[i] = 0;
    auto* const made = new (place) anchor{nullptr, fp, entry};
    made->where = fc::make_fcontext(place, static_cast<std::size_t>(place - static_cast<std::byte*>(limit)), start);
    return made;
  });
}

SENNIT_SWITCH_CODE void* switch_context(context& from, context& to, void* transfer, exception_state& live) noexcept {
  const boost_crossing& in = jump({from, to, transfer, live}, false);
  arrive(&from, in.from);
  return in.transfer;
}

std::size_t walk_suspended(const context&, std::span<const void*>) noexcept { return 0; }

}  // namespace sennit::inline v0::detail
