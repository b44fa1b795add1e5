"""Pages that the package writes: parsed, and shown by Chromium where it is installed."""

import shutil
import subprocess
from html.parser import HTMLParser

import pytest

VOID = ("meta", "img", "br")                    # elements without an end


class Page(HTMLParser):
    """Text of a page, all that it refers to, its anchors, and the elements left open."""

    def __init__(self, path):
        super().__init__()
        self.text, self.references, self.anchors, self.open = "", [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.references += [value for name, value in attributes if name in ("src", "href")]
        self.anchors += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "

    def check_alone(self):
        """Assert that the page is whole and needs nothing outside itself."""
        assert self.open == []
        for reference in self.references:
            assert reference.startswith("data:image/png;base64,") or reference.removeprefix("#") in self.anchors
        assert len(set(self.anchors)) == len(self.anchors)


def chromium(tmp_path, *options):
    """Run Chromium without a window; return what it prints."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
               "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
               f"--user-data-dir={tmp_path / 'profile'}", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
