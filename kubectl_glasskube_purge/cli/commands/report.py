"""`report`: the page of a report document that a run printed."""

from __future__ import annotations

import sys
from pathlib import Path

from kubectl_glasskube_purge.cli import streams
from kubectl_glasskube_purge.cli.arguments import Line
from kubectl_glasskube_purge.cli.options import REPORT
from kubectl_glasskube_purge.report import page


def run(line: Line) -> int:
    """Renders a report as HTML: to stdout, or into the file that --report names. Raises `PageError`, `NotAReport`."""
    file, report = Path(line.arguments[0]), line[REPORT]
    if report is not None:
        page.check_writable(report)
    elif sys.stdout.isatty():
        raise page.PageError("a page is for a browser; name a file with --report FILE.html")
    try:
        html = page.render_text(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except page.NotAReport as error:
        raise page.NotAReport(f"{file} is no report: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise page.NotAReport(f"{file} can't be read: {getattr(error, 'strerror', None) or error}") from error
    if report is None:
        streams.document(html)
    else:
        page.write(report, html)
    return 0
