#pragma once
#include <string>
#include <vector>

#include "demo/measure.hpp"

namespace bench {

/// The rows as a chart: four small panels of grouped bars, fibers beside threads. `setup` is the line, or two, below
/// them.
std::string svg_chart(const std::vector<row>& rows, const std::string& setup);

}  // namespace bench
