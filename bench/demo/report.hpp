#pragma once
#include <iosfwd>
#include <string>
#include <vector>

#include "demo/measure.hpp"

namespace bench {

/// "12 345": digits in groups of three.
std::string grouped(double number);

/// Three significant digits, no exponent: "0.123", "12.3", "1 234".
std::string three_digits(double number);

/// "threads, 1 000 connections, open loop at 20 000/s"
std::string describe(const run_plan& plan);

/// The rows as an aligned table with a line on how to read it.
void print_table(std::ostream& out, const std::vector<row>& rows);

/// What fibers save at each number of connections, one sentence each; nothing where a side is missing.
void print_comparison(std::ostream& out, const std::vector<row>& rows);

/// One JSON object: {"setup": "...", "rows": [{...}, ...]}.
void write_json(std::ostream& out, const std::vector<row>& rows, const std::string& setup);

}  // namespace bench
