#pragma once
#include "demo/measure.hpp"

namespace bench {

struct ratio_options {
  int repeats = 7;
  double duration = 1;  // seconds of each measured window
  double at_most = 0;   // 0 = report only; else what the median at 64 connections may be
};

/// Server CPU per request of sennit's echo relative to the raw epoll loop, at 64 and 1000 connections, one worker:
/// pairs measured one after the other, raw loop first, so that both see the same weather. Progress on stderr, one JSON
/// line per number of connections on stdout. Returns the exit code.
int run_ratio(const machine& on, const ratio_options& options);

}  // namespace bench
