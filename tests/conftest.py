"""Hypothesis settings, and what a skipped test means in CI."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # before NumPy: on tiny arrays threads only wait for each other

import matplotlib
import pytest
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")
settings.register_profile("default", deadline=None, max_examples=25, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that need a GPU where there is none; STEMNET_REQUIRE_GPU keeps them, to fail."""
    import places

    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not os.environ.get("STEMNET_REQUIRE_GPU") and places.find_gpu() is None:
        config.hook.pytest_deselected(items=marked)
        items[:] = [item for item in items if item not in marked]
        config.gpu_tests_left_out = len(marked)


def pytest_terminal_summary(terminalreporter, config):
    count = getattr(config, "gpu_tests_left_out", 0)
    if count:
        terminalreporter.write_line(f"GPU tests: not run ({count} of them; no CuPy or no GPU here)")


def _refuse_skip(report):
    """Turn a skip into a failure where STEMNET_REQUIRE_ALL is set, so that CI cannot lose a test unnoticed."""
    if report.skipped and os.environ.get("STEMNET_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, but STEMNET_REQUIRE_ALL is set: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    _refuse_skip((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    _refuse_skip((yield).get_result())
