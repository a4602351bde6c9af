#include "demo/ratio.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "common/json.hpp"
#include "demo/report.hpp"

namespace bench {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

int run_ratio(const machine& on, const ratio_options& options) {
  bool within = true;
  for (const int connections : {64, 1000}) {
    std::vector<double> floor;
    std::vector<double> fibers;
    std::vector<double> ratios;
    for (int i = 0; i < options.repeats; ++i) {
      for (auto [server, into] : {std::pair{"epoll", &floor}, std::pair{"fibers", &fibers}}) {
        const row r = measure(
            on, {.server = server, .connections = connections, .warmup = 0.3, .duration = options.duration}, {});
        if (!r.measured || r.wrong) {
          std::cerr << "demo --ratio: " << describe(r.plan) << ": " << r.note << '\n';
          return 1;
        }
        into->push_back(r.cpu_us);
      }
      ratios.push_back(fibers.back() / floor.back());
      std::fprintf(stderr, "%d connections, pair %d of %d: epoll %.3f us, fibers %.3f us per request, ratio %.3f\n",
                   connections, i + 1, options.repeats, floor.back(), fibers.back(), ratios.back());
    }
    json_object json;
    json.add("connections", connections).add("repeats", options.repeats);
    json.add("epoll_cpu_us_median", median(floor)).add("fibers_cpu_us_median", median(fibers));
    json.add("ratio_median", median(ratios));
    json.add("ratio_min", std::ranges::min(ratios)).add("ratio_max", std::ranges::max(ratios));
    std::cout << json.str() << std::endl;
    if (connections == 64 && options.at_most > 0) within = median(ratios) <= options.at_most;
  }
  if (!within) std::cerr << "demo --ratio: the median at 64 connections is above " << options.at_most << '\n';
  return within ? 0 : 1;
}

}  // namespace bench
