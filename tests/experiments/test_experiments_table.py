"""The table of the experiments, line by line, and its curves."""

from stemnet_ref.experiments import page, table


def row(epoch, f1, loss=1.0):
    """Return a row of metrics.csv, all measures alike."""
    return {**dict.fromkeys((column for column, _ in table.ROWS), f1), "epoch": epoch, "val_loss": loss,
            "train_loss": loss, **dict.fromkeys(("tp", "fp", "tn", "fn"), 9)}


def test_the_lines_of_the_table():
    results = {
        "Network1, Table 1": {0: [row(1, 0.5), row(2, 0.8)], 1: [row(1, 0.9), row(2, 0.6)], 2: [row(1, 0.7)] * 2},
        "Network5, Table 1": {0: [row(1, 0.8), row(2, 0.2)], 1: [row(1, 0.3), row(2, 0.7)], 2: None},
        "Network5, Table 2": {0: None, 1: [row(1, 0.9, 2.0), row(2, 0.9, 1.0)], 2: [row(1, 0.1), row(2, 0.8)]},
    }
    steps = {title: {"steps_per_epoch": 700} for title in results}
    head, *body = table.lines(results, steps)
    lines = {name: cells for name, *cells in body}
    assert head == ["best epoch of each run", *results]
    assert lines["F1, all pixels pooled"] == ["0.800 ± 0.100", "0.750 ± 0.071", "0.850 ± 0.071"]
    # Seed by seed: 0.8 - 0.8 and 0.7 - 0.9; 0.9 - 0.9 and 0.8 - 0.7. Half the distance is the standard error of two.
    assert lines["F1 pooled minus that of Network1, Table 1"] == [
        "", "-0.100 ± 0.100, higher in 0 of 2", "+0.050 ± 0.050, higher in 1 of 2"]
    assert lines["F1 pooled minus that of Network5, Table 1"] == ["", "", "+0.200, higher in 1 of 1"]
    assert lines["F1 pooled, last epoch"] == ["0.700 ± 0.100", "0.450 ± 0.354", "0.850 ± 0.071"]
    assert lines["F1 pooled, last epoch, minus that of Network1, Table 1"] == [
        "", "-0.250 ± 0.350, higher in 1 of 2", "+0.200 ± 0.100, higher in 2 of 2"]
    assert lines["best epochs"] == ["2, 1, 1", "1, 2", "2, 2"]              # of equals that of the lower cost
    assert lines["runs (seeds)"] == ["3", "2, 1 diverged", "2, 1 diverged"]
    assert lines["steps of training"] == ["1,400", "1,400", "1,400"]
    assert "of these calling all pixels the same class" not in lines
    results["Network5, Table 2"][1][1].update(tp=20_000, fp=20_000, tn=3, fn=0)         # the best epoch, of class cell
    lines = {name: cells for name, *cells in table.lines(results, steps)}
    assert lines["of these calling all pixels the same class"] == ["0", "0", "1"]
    assert "± standard error" in table.markdown([head, *body])


def test_numbers_of_one_row_have_one_format_and_small_ones_more_digits():
    results = {"a": {0: [row(1, 0.6004561)], 1: [row(1, 0.6004561)]}, "b": {0: [row(1, 0.60003)], 1: [row(1, 0.6)]}}
    results["a"][0][0] |= {"false_white_fraction": 0.00197, "kappa": -0.0001}
    results["a"][1][0] |= {"false_white_fraction": 0.00286, "kappa": -0.0002}
    for each in results["b"].values():
        each[0] |= {"false_white_fraction": 0.0, "kappa": 0.5}
    lines = {name: cells for name, *cells in table.lines(results, {title: {"steps_per_epoch": 1} for title in results})}
    for _, title in table.ROWS:
        if title not in ("False white, fraction of all pixels", "Cohen's kappa, mean over images"):
            assert lines[title] == ["0.600 ± 0.000", "0.600 ± 0.000"]
    assert lines["False white, fraction of all pixels"] == ["0.00242 ± 0.00063", "0.00000 ± 0.00000"]
    assert lines["Cohen's kappa, mean over images"] == ["0.000 ± 0.000", "0.500 ± 0.000"]
    assert lines["F1 pooled minus that of a"] == ["", "+0.000 ± 0.000, higher in 0 of 2"]
    assert lines["F1 pooled, last epoch, minus that of a"] == ["", "+0.000 ± 0.000, higher in 0 of 2"]


def test_eight_variants_look_different(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(page, "save", lambda figure, path: drawn.append(figure))
    results = {f"variant {number}": {0: [row(1, 0.5), row(2, 0.6)]} for number in range(16)}
    results["variant 0"] = {0: None}                        # diverged
    page.plot_compared(results, tmp_path / "x.png")
    page.plot("loss", results, tmp_path / "y.png")
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in drawn[0].axes[0].lines}
    assert len(looks) == 15
    assert len(drawn[1].legends) == 1
    assert drawn[1].get_size_inches()[0] < 16               # panels in several rows
