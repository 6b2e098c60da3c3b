"""House rules that no linter knows, held over every Python file of the project."""

import ast
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

# Whether a piece of code breaks a house rule.
Rule = Callable[[ast.AST], bool]

PROJECT = Path(__file__).resolve().parent.parent
OUR_APPS = ("usage", "subscriptions", "alerts", "alwrity_billing")
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 400
# Where an amount of money may pass: binary fractions have no business there.
MONEY = (
    "usage/core/",
    "usage/models/",
    "usage/ingest",
    "usage/pricebook",
    "usage/totals",
    "subscriptions/core/",
)

EVERYWHERE = ("",)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def python_files() -> list[Path]:
    """manage.py and every file of a top-level package; migrations are generated."""
    packages = [marker.parent for marker in PROJECT.glob("*/__init__.py")]
    files = [path for package in packages for path in package.rglob("*.py") if "migrations" not in path.parts]
    return sorted([PROJECT / "manage.py", *files])


def a_function_is_too_long(node: ast.AST) -> bool:
    return isinstance(node, FUNCTIONS) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES


def something_is_printed(node: ast.AST) -> bool:
    return called(node) == "print"


def a_float_is_made(node: ast.AST) -> bool:
    is_constant = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return is_constant or called(node) == "float"


def a_time_has_no_zone(node: ast.AST) -> bool:
    name = called(node)
    no_zone = isinstance(node, ast.Call) and not node.args and not node.keywords
    never = name.endswith((".utcnow", ".utcfromtimestamp", "date.today"))
    return never or (name.endswith("datetime.now") and no_zone)


# The rules ask for the same node, one after the other.
@lru_cache(maxsize=1)
def called(node: ast.AST) -> str:
    """The dotted name that a call calls, such as `datetime.now`; empty for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def breaches(source: str, rules: Iterable[Rule]) -> list[tuple[Rule, int]]:
    """Which rule each line of `source` breaks."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr | ast.stmt))
    return [(rule, node.lineno) for node in nodes for rule in rules if rule(node)]


# Where each rule holds: in files whose path begins so.
RULES: dict[Rule, tuple[str, ...]] = {
    a_function_is_too_long: EVERYWHERE,
    something_is_printed: EVERYWHERE,
    a_float_is_made: MONEY,
    a_time_has_no_zone: EVERYWHERE,
}


@pytest.fixture(scope="module")
def places() -> dict[Rule, list[str]]:
    """Where each rule is broken; every file is read once for all of them."""
    found: dict[Rule, list[str]] = {rule: [] for rule in RULES}
    for path in python_files():
        name = str(path.relative_to(PROJECT))
        rules = [rule for rule, where in RULES.items() if name.startswith(where)]
        for rule, line in breaches(path.read_text(encoding="utf-8"), rules):
            found[rule].append(f"{name}:{line}")
    return found


@pytest.mark.parametrize("rule", RULES)
def test_no_file_breaks_a_rule(rule: Rule, places: dict[Rule, list[str]]) -> None:
    assert places[rule] == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (a_function_is_too_long, "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        (something_is_printed, "print('x')"),
        (a_float_is_made, "rate = 0.1"),
        (a_float_is_made, "float('1')"),
        (a_time_has_no_zone, "datetime.now()"),
        (a_time_has_no_zone, "datetime.datetime.utcnow()"),
        (a_time_has_no_zone, "date.today()"),
    ],
)
def test_a_breach_is_noticed(rule: Rule, source: str) -> None:
    assert breaches(source, [rule]) == [(rule, 1)]


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (a_function_is_too_long, "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)),
        (something_is_printed, "self.stdout.write('x')"),
        (a_float_is_made, "rate = Decimal('0.1')"),
        (a_time_has_no_zone, "datetime.now(UTC)"),
        (a_time_has_no_zone, "timezone.now()"),
    ],
)
def test_good_code_is_left_alone(rule: Rule, source: str) -> None:
    assert breaches(source, [rule]) == []


def test_every_file_is_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}

    assert [str(path) for path, lines in lengths.items() if lines > MAX_FILE_LINES] == []


OUR_MODELS = [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]


@pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model.__name__)
def test_a_model_says_what_it_is(model: type[models.Model]) -> None:
    assert model.__str__ is not models.Model.__str__


@pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model.__name__)
def test_a_constraint_has_a_name_that_says_its_rule(model: type[models.Model]) -> None:
    names = [constraint.name for constraint in model._meta.constraints]

    assert all(names)
    assert not any(name.endswith(("_check", "_uniq")) for name in names)
