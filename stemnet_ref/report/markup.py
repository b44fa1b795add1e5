"""The pieces of a page of HTML that holds its style and its pictures, so that any browser shows it offline."""

import base64
import html

from ..program.terminal import one_line
from ..storage.files import write_atomically
from ..storage.outputs import REPORT

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1rem;
       max-width: 72rem; }
h1 { font-size: 1.6rem; margin: .5rem 0 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption { max-width: 46rem; } figcaption { color: #444; font-size: .9rem; }
figure { margin: 0; } img { max-width: 100%; height: auto; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem 2rem; }
.wide { grid-column: 1 / -1; }
.table { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top;
       border-bottom: 1px solid #ddd; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } th[scope=row] { min-width: 12rem; }
tr.changed th, tr.changed td { font-weight: 600; }
pre { background: #f3f3f3; padding: .7rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { max-width: none; font-size: 11pt; } figure { break-inside: avoid; } }
"""


def write_page(path, title, parts, kind=REPORT):
    """Write a page of HTML, in one move; `kind` is the outputs.Kind of page.

    Raises
    ------
    InputError
        If the page cannot be written.
    """
    text = "\n".join(["<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
                      '<meta name="viewport" content="width=device-width, initial-scale=1">',
                      f'<meta name="generator" content="{kind.mark}">', f"<title>{escape(title)}</title>",
                      f"<style>{STYLE}</style>", "</head>", "<body>", *parts, "</body>", "</html>", ""])
    write_atomically(path, text.encode(errors="replace"), kind)     # names need not be Unicode


def escape(value):
    """Return a value as text that HTML shows unchanged, with control characters written as by `one_line`."""
    return html.escape(one_line(value))


def table(heads, lines):
    """Return a table of HTML whose first column names the lines, and whose other columns hold numbers."""
    first, *rest = heads
    corner = f'<th scope="col">{escape(first)}</th>' if first else "<td></td>"
    rows = [f"<tr>{corner}" + "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in rest) + "</tr>"]
    for name, *values in lines:
        cells = [escape(value).replace(" ± ", "&nbsp;±&nbsp;") for value in values]
        rows.append(f'<tr><th scope="row">{escape(name)}</th>'
                    + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>")
    return scrollable("\n".join(rows))


def scrollable(rows):
    """Return a table that scrolls, by mouse or keyboard, where it is wider than the window."""
    return f'<div class="table" tabindex="0"><table>{rows}</table></div>'


def picture(path, heading, alternative, caption="", wide=True):
    """Return a PNG with its heading, its alternative text and a caption, as HTML."""
    inside = base64.b64encode(path.read_bytes()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (f'<figure{" class=wide" if wide else ""}><h2>{escape(heading)}</h2><img alt="{escape(alternative)}" '
            f'src="data:image/png;base64,{inside}">{below}</figure>')
