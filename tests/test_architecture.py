"""The layers of the package: imports go downwards only, private names stay in their part, functions fit on a screen."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vae_tf1"
# From the bottom up: a part of the package imports from its own layer and from lower ones.
LAYERS = [
    {"_startup", "_files", "_checks"},
    {"graph", "data", "input_data"},
    {"vae", "model", "tf1_seeds", "inputs", "build"},
    {"training"},
    {"measuring", "evaluation", "likelihood", "saved_model", "visualize", "plane"},
    {"cluster"},
    {"tensorflow1"},
]
LAYER_OF = {part: number for number, parts in enumerate(LAYERS) for part in parts}
MAX_FUNCTION_LINES = 50
SOURCES = ("vae_tf1", "tests", "benchmarks", "notebooks")
# All modules but vae_tf1/__init__.py, which imports from all layers, by name.
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}


def part_of(module: str) -> str:
    return module.split(".")[1]


def imports_of(module: str) -> Iterator[tuple[str, str]]:
    """Yields (module, name) for each import of a module from this package; the name of a whole module is ""."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name in MODULES:
                yield name, ""
            elif name.rpartition(".")[0] in MODULES:  # not from vae_tf1 itself
                yield name.rpartition(".")[0], name.rpartition(".")[2]


def test_every_part_has_its_layer():
    assert {part_of(module) for module in MODULES} == set(LAYER_OF)


def test_imports_go_downwards():
    pairs = [(module, imported) for module in MODULES for imported, _ in imports_of(module)]
    assert [pair for pair in pairs if LAYER_OF[part_of(pair[1])] > LAYER_OF[part_of(pair[0])]] == []


def test_no_modules_import_each_other_in_a_circle():
    imported = {module: {imported for imported, _ in imports_of(module)} for module in MODULES}
    graphlib.TopologicalSorter(imported).prepare()  # raises CycleError, which names the circle


def test_private_names_stay_in_their_part():
    for module in MODULES:
        for imported, name in imports_of(module):
            if part_of(imported) != part_of(module):
                private = [part for part in (*imported.split(".")[2:], name) if part.startswith("_")]
                assert private == [], f"{module} imports {imported}.{name}"


def count_code_lines(lines: list[str], function: ast.FunctionDef) -> int:
    """Counts the lines of a function that are not blank, a comment, or in its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    skipped = range(docstring.lineno, (docstring.end_lineno or 0) + 1) if docstring else range(0)
    numbers = range(function.lineno, (function.end_lineno or 0) + 1)
    code = [lines[number - 1].strip() for number in numbers if number not in skipped]
    return len([line for line in code if line and not line.startswith("#")])


def test_functions_fit_on_a_screen():
    too_long = {}
    for path in (path for source in SOURCES for path in sorted((ROOT / source).rglob("*.py"))):
        if path.parent.name == "tf1_reference":  # tables of cases for TensorFlow 1.15
            continue
        text = path.read_text()
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        lengths = {f"{path.name}: {node.name}": count_code_lines(text.splitlines(), node) for node in functions}
        too_long |= {function: lines for function, lines in lengths.items() if lines > MAX_FUNCTION_LINES}
    assert too_long == {}
