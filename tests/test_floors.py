"""The plan of the house, checked: a module imports only from floors below its own."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sweeper"
FLOORS = [  # ground floor first
    {"errors"},
    {"system", "registry", "declared"},
    {"records"},
    {"adapters"},
    {"data", "kernels"},
    {"layers"},
    {"models"},
    {"tasks"},
    {"learners"},
    {"trials"},
    {"workers", "serving", "propose", "track", "reports"},
    {"sweeps"},
    {"api"},
    {"cli"},
    {"__init__", "__main__"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
ONE_DOOR = {
    "keras_tuner": "propose",
    "mlflow": "track",
    "pebble": "workers",
    "unearth": "data",
    "pooch": "data",
    "numba": "kernels",
}
MLFLOW_RUNS_IT = PACKAGE / "serving" / "mlflow_model.py"  # a script that MLflow itself copies and runs


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def running(tree: ast.Module) -> list[ast.AST]:
    """The nodes of a module but those that only type checkers read."""
    only_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return [node for node in ast.walk(tree) if node not in only_types]


def imports(path: Path) -> tuple[set[str], set[str]]:
    """Rooms of ours, and other packages, that a module imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours: set[str] = set()
    others: set[str] = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in running(tree):
        if isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            ours |= (
                {node.module.split(".")[0]}
                if node.module
                else {alias.name for alias in node.names if alias.name in FLOOR}
            )
    return ours, others


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    ours, others = imports(path)
    upward = {name for name in ours - {room(path)} if FLOOR[name] >= FLOOR[room(path)]}
    assert not upward, f"{path} imports {upward} from its own floor or above"
    strangers = {
        name for name, door in ONE_DOOR.items() if name in others and room(path) != door and path != MLFLOW_RUNS_IT
    }
    assert not strangers, f"{path} imports {strangers}, which has one door elsewhere"


def test_no_module_imports_itself_by_way_of_others():
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for path in FILES}
    graph = {}
    for path in FILES:
        own = path.relative_to(PACKAGE).with_suffix("").parts
        found = [
            (".".join([*own[: len(own) - node.level], *filter(None, [node.module])]), [one.name for one in node.names])
            for node in running(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.level
        ]
        inside = {f"{base}.{name}".lstrip(".") for base, given in found for name in given} & names
        whole = {base for base, given in found if base in names and {f"{base}.{name}" for name in given} - names}
        graph[".".join(own).removesuffix(".__init__")] = inside | whole
    assert sum(map(len, graph.values())) > 400
    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_workers_import_neither_mlflow_nor_keras_tuner():
    reached, todo = set(), [PACKAGE / "trials" / "trial.py", PACKAGE / "serving" / "exports.py"]
    todo += [PACKAGE / "workers" / name for name in ("worker.py", "preloaded.py")]
    while todo:
        path = todo.pop()
        ours, others = imports(path)
        assert not others & {"mlflow", "keras_tuner"}, path
        fresh = ours - reached
        reached |= fresh
        todo += [
            file
            for name in fresh
            for file in (
                [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").exists() else (PACKAGE / name).rglob("*.py")
            )
        ]


def test_what_runs_without_the_rest_of_us_imports_nothing_of_ours():
    for name in ("answer.py", "mlflow_model.py"):
        tree = ast.parse((PACKAGE / "serving" / name).read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level], name


def test_declaration_folders_are_no_packages():
    for folder in ("datasets", "search_spaces"):
        assert not list((PACKAGE.parent / folder).glob("*.py")), (
            "a package called datasets would hide the well-known one"
        )
