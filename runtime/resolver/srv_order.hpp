#pragma once
// The order in which SRV records are tried (RFC 2782).
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <vector>

#include <sennit/resolver.hpp>

namespace sennit::inline v0::detail {

/// Sorts by priority; among equals each place goes to one of those that are left, as likely as its weight is large (a
/// weight of 0: hardly ever before another). `below(n)` returns a random number from 0 to n.
template <class Below>
void put_in_srv_order(std::vector<service_record>& records, Below&& below) {
  // Weights of 0 come first, so that the running sum gives them the smallest chance rather than none.
  std::ranges::sort(records, [](const service_record& a, const service_record& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.weight < b.weight;
  });
  for (auto place = records.begin(); place != records.end(); ++place) {
    const auto end = std::find_if(place, records.end(), [&](const auto& r) { return r.priority != place->priority; });
    const std::uint64_t total =
        std::accumulate(place, end, std::uint64_t{0}, [](auto sum, const auto& r) { return sum + r.weight; });
    const std::uint64_t drawn = below(total);
    std::uint64_t sum = 0;
    const auto chosen = std::find_if(place, end, [&](const auto& r) { return (sum += r.weight) >= drawn; });
    std::rotate(place, chosen, std::next(chosen));
  }
}

}  // namespace sennit::inline v0::detail
