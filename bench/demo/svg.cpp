#include "demo/svg.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "demo/report.hpp"

namespace bench {
namespace {

// Blue and orange of Okabe and Ito: told apart with any kind of colour blindness, and by lightness in print. The card
// brings its own background, so the text is readable wherever the picture is shown.
constexpr const char* style = R"(<style>
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .title { font-size: 21px; font-weight: 600; }
  .panel { font-size: 14px; font-weight: 600; }
  .small { font-size: 11.5px; fill: #59636e; }
  .value { font-size: 11px; }
  .grid { stroke: #e6eaef; }
  .axis { stroke: #8c959f; }
  .fibers { fill: #0072b2; }
  .threads { fill: #e69f00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .card { fill: #0d1117; stroke: #3d444d; }
    .small { fill: #9198a1; }
    .grid { stroke: #262c36; }
    .axis { stroke: #656c76; }
    .fibers { fill: #3d9fdc; }
  }
</style>
)";

constexpr std::array<const char*, 2> servers{"fibers", "threads"};
constexpr double card_width = 940;
constexpr double card_height = 690;
constexpr double panel_width = 418;
constexpr double panel_height = 258;

/// The picture as text; coordinates are pixels of the view box.
class canvas {
 public:
  void text(double x, double y, const char* cls, const char* anchor, const std::string& content) {
    out_ += "<text x=\"" + num(x) + "\" y=\"" + num(y) + "\" class=\"" + cls + "\" text-anchor=\"" + anchor + "\">";
    for (const char c : content) {
      switch (c) {
        case '&': out_ += "&amp;"; break;
        case '<': out_ += "&lt;"; break;
        case '>': out_ += "&gt;"; break;
        default: out_ += c;
      }
    }
    out_ += "</text>\n";
  }
  void bar(double x, double y, double width, double height, const char* cls) {
    out_ += "<rect x=\"" + num(x) + "\" y=\"" + num(y) + "\" width=\"" + num(width) + "\" height=\"" + num(height) +
            "\" rx=\"2\" class=\"" + cls + "\"/>\n";
  }
  void level_line(double x1, double x2, double y, const char* cls) {
    out_ += "<line x1=\"" + num(x1) + "\" x2=\"" + num(x2) + "\" y1=\"" + num(y) + "\" y2=\"" + num(y) + "\" class=\"" +
            cls + "\"/>\n";
  }
  void raw(const std::string& markup) { out_ += markup; }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  static std::string num(double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", v);
    return text;
  }
  std::string out_;
};

/// "269k": bars are too narrow for all digits, the table has them.
std::string bar_label(double value) { return value >= 10'000 ? three_digits(value / 1000) + 'k' : three_digits(value); }

struct group {
  std::string label;
  std::string second_label;
  std::array<const row*, 2> rows{};  // fibers, threads
};

std::vector<group> groups_of(const std::vector<row>& rows, bool open_loop) {
  std::vector<group> groups;
  for (const auto& r : rows) {
    if (r.plan.rate > 0 && !open_loop) continue;
    const auto label = grouped(r.plan.connections);
    const auto second = r.plan.rate > 0 ? "open, " + bar_label(r.plan.rate) + "/s" : std::string();
    auto at =
        std::ranges::find_if(groups, [&](const group& g) { return g.label == label && g.second_label == second; });
    if (at == groups.end()) at = groups.insert(groups.end(), group{label, second, {}});
    at->rows[r.plan.server == servers[0] ? 0 : 1] = &r;
  }
  return groups;
}

/// A step of 1, 2, 2.5 or 5 times a power of ten that puts three to five lines below `top`.
double tick_step(double top) {
  const double power = std::pow(10, std::floor(std::log10(top / 3)));
  for (const double step : {1.0, 2.0, 2.5, 5.0}) {
    if (top / (step * power) <= 5) return step * power;
  }
  return 10 * power;
}

std::string tick_label(double value) {
  if (value >= 10'000) return tick_label(value / 1000) + 'k';
  if (value >= 1000) return grouped(value);
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

struct panel {
  const char* title;
  const char* better;
  double row::* value;
  double unit;  // values are divided by this
  bool open_loop;
};

void draw(canvas& out, const panel& p, const std::vector<row>& rows, double left, double top) {
  const auto groups = groups_of(rows, p.open_loop);
  const double x0 = left + 58;
  const double x1 = left + panel_width - 6;
  const double y0 = top + 46;                 // top of the plot
  const double y1 = top + panel_height - 50;  // its base line
  out.text(left + 8, top + 18, "panel", "start", p.title);
  out.text(x1, top + 18, "small", "end", p.better);

  double most = 0;
  for (const auto& g : groups) {
    for (const auto* r : g.rows) {
      if (r != nullptr && r->measured) most = std::max(most, (r->*p.value) / p.unit);
    }
  }
  const double step = tick_step(std::max(most, 1e-3));
  const double scale_end = std::max(std::ceil(most / step - 1e-9), 1.0) * step;
  const auto y_of = [&](double v) { return y1 - (y1 - y0) * v / scale_end; };
  for (int i = 0; i * step <= scale_end * 1.0001; ++i) {
    out.level_line(x0, x1, y_of(i * step), i == 0 ? "axis" : "grid");
    out.text(x0 - 8, y_of(i * step) + 4, "small", "end", tick_label(i * step));
  }

  const double pitch = (x1 - x0) / static_cast<double>(std::max<std::size_t>(groups.size(), 1));
  const double width = std::min(46.0, pitch * 0.36);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double middle = x0 + pitch * (static_cast<double>(g) + 0.5);
    for (std::size_t s = 0; s < servers.size(); ++s) {
      const row* r = groups[g].rows[s];
      const double x = s == 0 ? middle - width - 2 : middle + 2;
      if (r == nullptr || !r->measured) {
        out.text(x + width / 2, y1 - 5, "small", "middle", "n/a");
        continue;
      }
      const double value = (r->*p.value) / p.unit;
      const double y = std::min(y_of(value), y1 - 1.5);  // a small value still shows as a line
      out.bar(x, y, width, y1 - y, servers[s]);
      out.text(x + width / 2, y - 5, "value", "middle", bar_label(value));
    }
    out.text(middle, y1 + 17, "small", "middle", groups[g].label);
    if (!groups[g].second_label.empty()) out.text(middle, y1 + 36, "small", "middle", groups[g].second_label);
  }
  // Under the closed-loop groups; the open-loop one, last, has a second line of its own.
  const auto closed = std::ranges::count_if(groups, [](const group& g) { return g.second_label.empty(); });
  out.text(x0 + pitch * static_cast<double>(closed) / 2, y1 + 36, "small", "middle", "connections, closed loop");
}

}  // namespace

std::string svg_chart(const std::vector<row>& rows, const std::string& setup) {
  constexpr std::array panels{
      panel{"Requests per second", "higher is better", &row::requests_per_second, 1, false},
      panel{"p99 latency, ms", "lower is better", &row::p99_us, 1e3, true},
      panel{"Server CPU per request, \u00b5s", "lower is better", &row::cpu_us, 1, true},
      panel{"Server memory per connection, KiB", "lower is better", &row::memory_bytes, 1024, false},
  };
  canvas out;
  char head[320];
  std::snprintf(head, sizeof head,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\""
                " role=\"img\">\n<title>The same echo handler on fibers and on threads</title>\n",
                card_width, card_height, card_width, card_height);
  out.raw(head);
  out.raw(style);
  std::snprintf(head, sizeof head,
                "<rect x=\"0.5\" y=\"0.5\" width=\"%.0f\" height=\"%.0f\" rx=\"10\" class=\"card\"/>\n", card_width - 1,
                card_height - 1);
  out.raw(head);
  out.text(32, 46, "title", "start", "The same blocking-style echo handler on fibers and on threads");
  out.bar(32, 62, 13, 13, "fibers");
  out.text(51, 73, "value", "start", "sennit, one fiber per connection");
  out.bar(262, 62, 13, 13, "threads");
  out.text(281, 73, "value", "start", "one std::thread per connection");
  for (std::size_t i = 0; i < panels.size(); ++i) {
    draw(out, panels[i], rows, i % 2 == 0 ? 24 : 498, i < 2 ? 100 : 100 + panel_height + 16);
  }
  const auto end = setup.find('\n');
  out.text(32, card_height - 30, "small", "start", setup.substr(0, end));
  if (end != std::string::npos) out.text(32, card_height - 14, "small", "start", setup.substr(end + 1));
  out.raw("</svg>\n");
  return out.str();
}

}  // namespace bench
