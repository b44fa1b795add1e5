"""The table of settings, and the parsers made of it."""

import argparse
import ast
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from refusals import check, script

import run_predict
import run_train
from stemnet_ref.benchmark import __main__ as benchmark
from stemnet_ref.data import check as data_check
from stemnet_ref.data import preprocess
from stemnet_ref.errors import InputError
from stemnet_ref.experiments import __main__ as experiments
from stemnet_ref.explain import __main__ as explain
from stemnet_ref.network import __main__ as network
from stemnet_ref.program.options import Option, flag_of
from stemnet_ref.training import settings
from stemnet_ref.training.settings import COMPUTATION, OPTIONS, PRESETS, Settings
from stemnet_ref.verify import __main__ as verify

# By program: its parser's options, and which of the settings' have other defaults, limits or choices there
TABLES = {
    run_train.options: (run_train.OPTIONS, ()), run_predict.options: (run_predict.OPTIONS, {"sparse_masks"}),
    experiments.options: (experiments.OPTIONS, {"channels"}), data_check.options: (data_check.OPTIONS, ()),
    preprocess.options: (preprocess.OPTIONS, {"sparse_masks"}), network.options: (network.OPTIONS, ()),
    explain.options: (explain.OPTIONS, {"levels", "features", "seed"}),
    benchmark.options: (benchmark.OPTIONS, {"channels", "backend"}),
    **{name: (table, {"seed"} if name == "layer" else {"class_weight"} & {*table})
       for name, (_, _, table) in verify.COMMANDS.items()}}


def parser_of(program):
    """Return the parser of a program, or of a command of verify."""
    if callable(program):
        return program()
    commands = next(action for action in verify.options()._actions if isinstance(action.choices, dict))
    return commands.choices[program]


@pytest.mark.parametrize("program", TABLES)
def test_a_parser_has_the_options_of_its_table_and_no_others(program):
    table, own = TABLES[program]
    flags = {flag for action in parser_of(program)._actions for flag in action.option_strings} - {"-h", "--help"}
    negatable = {name for name, option in table.items() if option.type is bool and option.default is argparse.SUPPRESS}
    others = {flag for option in table.values() for flag in option.also}
    assert flags == {flag_of(name) for name in table} | {f"--no-{flag_of(name)[2:]}" for name in negatable} | others
    for name, option in table.items():
        common = {**OPTIONS, **COMPUTATION}.get(name)
        if common:
            facts = [(each.default, each.default_text, each.limits, each.choices, each.type)
                     for each in (option, common)]
            assert (facts[0] != facts[1]) == (name in own), name


@pytest.mark.parametrize("program", TABLES)
def test_the_help_shows_what_the_table_says(program):
    shown = "".join(parser_of(program).format_help().split())                   # lines break anywhere
    for name, option in TABLES[program][0].items():
        assert option.help, name
        assert flag_of(name) in shown
        assert "".join(option.help.split()) in shown, name
        for choice in option.choices or ():
            assert str(choice) in shown, name


def test_every_setting_has_help_and_says_which_values_it_takes():
    assert list(OPTIONS) == [each.name for each in fields(Settings)]
    for each in fields(Settings):
        option = OPTIONS[each.name]
        assert option.help
        assert option.group
        assert option.type == each.type
        free = option.type is bool or each.name == "pattern"
        assert free or option.limits or option.choices or option.takes, each.name
        assert {*option.needs} <= {*OPTIONS}
    for preset, changes in PRESETS.items():
        assert changes.keys() <= OPTIONS.keys()
        for name, value in changes.items():
            OPTIONS[name].check(preset, value)



def test_the_choices_of_an_option_stand_once_in_the_package():
    found = Counter()
    for path in Path(settings.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple):
                found[tuple(getattr(each, "value", None) for each in node.elts)] += 1
    choices = {option.choices for option in {**OPTIONS, **COMPUTATION}.values() if option.choices}
    assert {each: count for each in choices if (count := found[each]) > 1} == {}


@pytest.mark.parametrize(("wrong", "words"), [
    ({"channels": 4}, "--channels 4: must be odd"), ({"channels": "5"}, "--channels '5': must be a whole number"),
    ({"channels": 101}, "--channels 101: must be from 1 to 99"), ({"channels": True}, "--channels True: must be"),
    ({"epochs": 2.5}, "--epochs 2.5: must be a whole number"), ({"augment": 1}, "--augment 1: must be True or False"),
    ({"learning_rate": float("nan")}, "--learning-rate nan: must be above 0"), ({"crop": 100}, "--crop 100: with 6"),
    ({"epochs": None}, "--epochs None: must be"), ({"z": "top"}, "--z top: must be the number of a slice"),
    ({"z": -1}, "--z -1: must be the number of a slice"), ({"cost": "hinge"}, "--cost hinge: must be one of weighted"),
    ({"class_weight": "many"}, "--class-weight many: must be a number"), ({"pattern": 7}, "--pattern 7: must be text"),
    ({"neighbours": "copies"}, "--neighbours copies: has no effect with --channels 1")])
def test_settings_are_checked_without_a_command_line(wrong, words):
    assert Settings(channels=5).channels == 5
    with pytest.raises(InputError, match=re.escape(words)):
        Settings(**wrong)
    with pytest.raises(InputError, match=re.escape(words)):
        Settings.from_options(wrong)


def test_settings_that_do_not_exist_are_refused():
    for make in (Settings, lambda **given: Settings.from_options(given)):
        with pytest.raises(TypeError, match="chanels"):
            make(chanels=5)


@pytest.mark.parametrize(("text", "value"), [("0", None), ("64", 64)])
def test_whole_frames_are_0_on_the_command_line_and_none_in_python(text, value):
    assert run_train.options().parse_args(["--crop", text]).crop == value
    assert OPTIONS["crop"].parse("--crop", text) == value


@pytest.mark.parametrize(("main", "argv", "words"), [
    (explain.main, ["--levels", "5"], "--levels 5: must be from 1 to 4"),
    (network.main, ["--levels", "x"], "--levels 'x': must be a whole number"),
    (run_predict.main, ["m", "--tile", "0"], "--tile 0: must be from 1"),
    (run_train.main, ["--sparse-masks=1"], "ignored explicit argument"),
    (preprocess.main, ["a", "b", "--size", "x"], "--size 'x': must be a side in pixels, or HEIGHTxWIDTH")])
def test_every_program_refuses_alike(main, argv, words, capsys):
    if "ignored" in words:                                  # argparse's own
        assert script(main, *argv) == 2
        assert words in capsys.readouterr().err
    else:
        check(capsys, script(main, *argv), words)


@pytest.mark.parametrize(("main", "argv", "words"), [
    (run_train.main, ["--backend", "plain", "--device", "cpu"], "--device cpu: --device and --backend are names"),
    (run_train.main, ["--draw=evenly", "--sampling", "evenly"], "--sampling evenly: --sampling and --draw are names"),
    (run_predict.main, ["m", "--dev", "cpu", "--back", "cpu"], "--backend cpu: --backend and --device are names"),
    (benchmark.main, ["--device", "plain", "--backend", "cpu"], "--backend cpu: --backend and --device are names"),
])
def test_both_names_of_one_option_are_refused(main, argv, words, capsys):
    check(capsys, script(main, *argv), words)


def test_the_same_name_twice_and_another_name_in_the_next_call_pass():
    parser = run_train.options()
    assert parser.parse_args(["--device", "plain", "--device", "cpu"]).backend == "cpu"
    assert parser.parse_args(["--backend", "plain"]).backend == "plain"


def test_a_percent_sign_in_the_help_is_shown():
    parser = argparse.ArgumentParser()
    Option("10 % of it").add_to(parser, "share", {})
    assert "10 % of it" in parser.format_help()
