#pragma once
#include <sennit/tls_context.hpp>

#include "tls/openssl.hpp"

namespace sennit::inline v0::detail {

/// What a certificate says. Throws std::bad_alloc; what cannot be printed stays empty.
[[nodiscard]] tls_certificate describe(const X509& certificate);

}  // namespace sennit::inline v0::detail
