"""Bar charts of the comparison as SVG: one picture a group, in it one panel a result, in it one bar a system."""
from html import escape

WIDTH, COLUMNS, MARGIN = 940, 2, 18
NAMES, VALUES = 118, 80  # of a panel's width: the systems' names on the left, the numbers on the right
LINE, HEAD, GAP = 18, 24, 16  # heights: a bar's line, a panel's title, the space below a panel
MOST = 8  # a bar ends at so many times sennit's: one slow system does not make all others look alike

STYLE = """<style>
  text { font: 11.5px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .card { fill: #ffffff; stroke: #d1d9e0; }
  .title { font-size: 18px; font-weight: 600; }
  .panel { font-size: 13px; font-weight: 600; }
  .peer { fill: #b1bac4; } .sennit { fill: #0072b2; } .floor { fill: #e6c27a; }
  .whisker { stroke: #57606a; fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .card { fill: #0d1117; stroke: #3d444d; }
    .peer { fill: #5a636e; } .sennit { fill: #3d9fdc; } .floor { fill: #a3823c; } .whisker { stroke: #c9d1d9; }
  }
</style>"""


def text(x, y, words, cls="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}">{escape(words)}</text>'


def end_of_scale(bars):
    """The value at the right end of a panel's bars."""
    longest = max(s["max"] for s in bars.values())
    ours = bars.get("sennit", {}).get("median")
    return min(longest, MOST * ours) if ours else longest


def panel(result, x, y, width, number):
    bars = dict(result["systems"])
    if result["floor"]:
        bars["floor"] = result["floor"]
    room = width - NAMES - VALUES
    scale = room / (end_of_scale(bars) or 1)
    out = [text(x, y + 14, f"{result['name']}, {result['unit']} ({result['better']} is better)", "panel")]
    for i, (system, s) in enumerate(bars.items()):
        top = y + HEAD + i * LINE
        cls = system if system in ("sennit", "floor") else "peer"
        low, median, high = (x + NAMES + min(s[k] * scale, room) for k in ("min", "median", "max"))
        out.append(text(x + NAMES - 6, top + 12, system, anchor="end"))
        out.append(f'<rect x="{x + NAMES:.1f}" y="{top + 2:.1f}" width="{max(median - x - NAMES, 1):.1f}" '
                   f'height="{LINE - 5}" rx="2" class="{cls}"/>')
        end = median
        if s["max"] * scale <= room:
            end = max(median, high)
            middle = top + 2 + (LINE - 5) / 2
            out.append(f'<path d="M{low:.1f} {middle - 3:.1f}v6M{low:.1f} {middle:.1f}H{high:.1f}M{high:.1f} '
                       f'{middle - 3:.1f}v6" class="whisker"/>')
        beyond = "" if s["median"] * scale <= room else " \u226b"  # the bar ends before the value
        out.append(text(end + 6, top + 12, number(s["median"]) + beyond))
    return out


def height(result):
    return HEAD + LINE * (len(result["systems"]) + bool(result["floor"])) + GAP


def svg(title, results, number):
    """The picture as text. number(value) is how a value is written."""
    wide = (WIDTH - (COLUMNS + 1) * MARGIN) / COLUMNS
    drawn, y = [], 64.0
    for first in range(0, len(results), COLUMNS):
        row = results[first:first + COLUMNS]
        for column, result in enumerate(row):
            drawn += panel(result, MARGIN + column * (wide + MARGIN), y, wide, number)
        y += max(map(height, row))
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" '
            f'height="{y:.0f}" role="img" aria-label="{escape(title)}">', STYLE,
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1:.0f}" rx="8" class="card"/>',
            text(MARGIN, 32, title, "title"),
            text(MARGIN, 50, "Bars: medians; whiskers: min to max. A bar that ends at \u226b is longer than "
                             f"{MOST} times sennit's.")]
    return "\n".join([*head, *drawn, "</svg>", ""])
