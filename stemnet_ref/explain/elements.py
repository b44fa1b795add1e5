"""The elements of the page: its style, cards, equations, and arrays as coloured tables."""

import math
import re

import numpy as np

from ..report.markup import escape
from .numbers import number

STYLE = """
:root { --blue: 0, 114, 178; --orange: 213, 94, 0; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
nav.steps a { margin-right: 1rem; } article { border-top: 1px solid #ccc; padding: .2rem 0 1rem; }
article:target { box-shadow: -4px 0 0 rgb(var(--blue)); padding-left: .6rem; }
:focus-visible { outline: 3px solid rgb(var(--orange)); outline-offset: 2px; }
h3 { margin: 1rem 0 .2rem; } h3 small { font-weight: 400; color: #444; }
.eq { font-family: Georgia, "DejaVu Serif", serif; font-size: 1.1rem; background: #f3f3f3; padding: .4rem .7rem;
      overflow-wrap: anywhere; }
.worked { font-family: ui-monospace, monospace; font-size: .82rem; overflow-wrap: anywhere; max-width: none; }
.grids { display: flex; flex-wrap: wrap; gap: .6rem 1.4rem; align-items: flex-end; overflow-x: auto; margin: .6rem 0; }
.grid { border-collapse: collapse; table-layout: fixed; width: auto; max-width: 100%; }
.grid caption { text-align: left; font-size: .8rem; color: #333; padding-bottom: .15rem; }
.grid td, .grid th { width: 2.7rem; min-width: 0; } .grid .corner { width: 1.2rem; }
.grid td { border: 1px solid #fff; padding: .18rem .1rem; min-width: 0; text-align: center;
      font-size: .72rem; font-variant-numeric: tabular-nums; }
.grid th { font-size: .62rem; font-weight: 400; color: #555; text-align: center; padding: 0 .1rem; border: 0;
      vertical-align: middle; }
.grid td.here { outline: 2px solid #000; outline-offset: -2px; font-weight: 700; }
td.size { white-space: nowrap; }
@media (max-width: 36rem) { .grid td, .grid th { width: 2.2rem; } .grid td { padding: .18rem 0; }
      .table th, .table td { min-width: 0; font-size: .8rem; padding-right: .5rem; } }
@media print { html { font-size: 11px; } body { font-size: 1rem; }
      .grid td { font-size: .85rem; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
      nav, .links { display: none; }
      article { break-inside: avoid; } }
"""
SCRIPT = """
document.addEventListener("keydown", function (event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  var cards = Array.from(document.querySelectorAll("article")), top = 8;
  var now = cards.reduce(function (last, card, n) { return card.getBoundingClientRect().top < top ? n : last; }, -1);
  var next = cards[Math.min(Math.max(now + step, 0), cards.length - 1)];
  if (next) { event.preventDefault(); next.querySelector("h3").focus({ preventScroll: true }); next.scrollIntoView(); }
});
"""


def card(anchor, heading, small, *content):
    """Return a card with a heading that the keyboard can reach."""
    return (f'<article id="{anchor}"><h3 tabindex="-1">{heading} <small>{small}</small></h3>'
            + "\n".join(content) + "</article>")


def formula(text):
    """Return an equation; the letters after an underscore become a subscript."""
    return '<p class="eq">' + re.sub(r"_(\S+)", r"<sub>\1</sub>", text) + "</p>"


def sentence(name, worked):
    """Return the line that works out one number."""
    i, j, c = worked.place
    value = number(worked.value)
    sides = [f"{name}[{i},{j},{c}]", worked.terms, *([value] if worked.terms != value else [])]
    return f'<p class="worked">{escape(" = ".join(sides))}</p>'


def link(name, part):
    """Return a link to a tensor's card."""
    return f'<a href="#{part}-{name}">{name}</a>'


def grids(*tables):
    """Return grids side by side."""
    return '<div class="grids">' + "".join(tables) + "</div>"


def grid(array, caption, here=None):
    """Return an array (H, W) as a coloured table; the caption holds the power of ten that all numbers share."""
    array = np.asarray(array, float)
    largest = abs(array).max()
    power = math.floor(math.log10(largest)) if largest > 0 else 0
    power = 0 if -1 <= power <= 2 else power
    whole = not np.any(array % 1)
    scaled = array / 10.0 ** power
    heads = "".join(f'<th scope="col">{j}</th>' for j in range(array.shape[1]))
    rows = [f'<tr><td class="corner"></td>{heads}</tr>']
    for i, line in enumerate(scaled):
        cells = [f'<th scope="row">{i}</th>']
        for j, value in enumerate(line):
            share = abs(value) / (largest / 10.0 ** power) if largest else 0
            colour = "--blue" if value > 0 else "--orange"
            text = f"{value:.0f}" if whole else "0" if value == 0 else f"{value:.2f}"
            text = text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")
            marked = ' class="here"' if here == (i, j) else ""
            cells.append(f'<td{marked} style="background: rgba(var({colour}), {0.65 * share:.2f})">{text}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    times = f" ×10{digits}" if power else ""
    return f'<table class="grid"><caption>{escape(caption)}{times}</caption>' + "".join(rows) + "</table>"
