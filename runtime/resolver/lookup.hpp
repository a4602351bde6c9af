#pragma once
// One lookup, between who asked and the answer.
#include <string>
#include <system_error>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/resolver.hpp>

namespace sennit::inline v0::detail {

/// Shared by who waits for it and by the question in flight, which may outlive the wait. Everything but `changed` is
/// under the lock of its resolver_core; the results belong to who waits once `done` is set.
struct lookup {
  enum class kind : std::uint8_t { addresses, service };

  kind what = kind::addresses;
  std::string name;
  std::uint16_t port = 0;

  bool done = false;
  std::error_code ec;
  std::vector<endpoint> addresses;
  std::vector<service_record> records;

  /// Done, or it is this one's turn to drive.
  event changed;
  // Among those who wait and do not drive.
  lookup* next = nullptr;
  lookup* prev = nullptr;
  bool linked = false;
};

}  // namespace sennit::inline v0::detail
