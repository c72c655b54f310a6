# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures as a picture: an SVG of bars, one panel for each work.

Bars are instructions per message, each panel on a scale of its own, with the number
at the end of each.  Black on nothing would vanish in a dark page: there is a
background.
"""
from table import number

SERIES = (("ours-user", "map", "xenmsg, map"), ("ours-user", "copy", "xenmsg, copy"),
          ("ours-kernel", "map", "xenmsg, map (kernel driver)"),
          ("ours-kernel", "copy", "xenmsg, copy (kernel driver)"),
          ("vchan", "copy", "libvchan, direct"), ("relay", "copy", "libvchan, relayed"),
          ("tcp", "copy", "TCP, netfront"))
COLOURS = {"ours-user": "#1b6ca8", "ours-kernel": "#5fa8d3", "vchan": "#7a7a7a",
           "relay": "#a5a5a5", "tcp": "#c9a27e"}
PANELS = (("oneway", "inplace", 64, "one way, 64 B"),
          ("oneway", "inplace", 4096, "one way, 4 KiB"),
          ("oneway", "inplace", 65536, "one way, 64 KiB"),
          ("oneway", "inplace", 1 << 20, "one way, 1 MiB"),
          ("rtt", "buffer", 64, "round trip, 64 B"),
          ("echo64", "buffer", 64, "64 B echoed, 64 under way"))

WIDTH, COLUMN, LABEL, BAR, GAP = 980, 480, 176, 15, 4


def _value(rows, guest, work, style, size, series):
    for wanted in (style, "buffer") if not series[0].startswith("ours") else (style,):
        for row in rows:
            if (row["guest"], row["work"], row["style"], row["bytes"], row["pairs"],
                    row["path"], row["mode"]) == (guest, work, wanted, size, 1, *series[:2]):
                return row["instructions"]
    return None


def _text(x, y, text, extra=""):
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{text}</text>'


def _panel(rows, guest, panel, x, y):
    work, style, size, title = panel
    bars = [(s, v) for s in SERIES if (v := _value(rows, guest, work, style, size, s))]
    if not bars:
        return [], 0
    room = COLUMN - LABEL - 70
    most = max(v for _, v in bars)
    out = [_text(x, y + 14, title, 'font-weight="bold"')]
    top = y + 22
    for n, (series, value) in enumerate(bars):
        at = top + n * (BAR + GAP)
        width = max(2, room * value / most)
        out += [_text(x + LABEL - 6, at + 12, series[2], 'text-anchor="end"'),
                f'<rect x="{x + LABEL}" y="{at}" width="{width:.1f}" height="{BAR}" '
                f'fill="{COLOURS[series[0]]}"/>',
                _text(x + LABEL + width + 4, at + 12, number(value))]
    return out, 22 + len(bars) * (BAR + GAP) + 18


def draw(rows, guest):
    """The whole picture for one kind of guests."""
    body, y = [], 40
    for i in range(0, len(PANELS), 2):
        heights = []
        for column, panel in enumerate(PANELS[i:i + 2]):
            part, height = _panel(rows, guest, panel, 16 + column * COLUMN, y)
            body += part
            heights.append(height)
        y += max(heights)
    title = _text(16, 24, f"Instructions of the whole machine for each message, {guest.upper()} "
                  f"to {guest.upper()} (less is better)", 'font-size="15" font-weight="bold"')
    body.append(_text(16, y + 8, "One way: xenmsg in place, the others from one buffer of an "
                      "application into another. Each panel has a scale of its own.",
                      'fill="#555555"'))
    y += 20
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>', title, *body, "</svg>", ""])
