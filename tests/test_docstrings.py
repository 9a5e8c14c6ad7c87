"""Every public function says what it returns, the shapes of its arrays, and that it raises GoamaError where it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "goama"

ARRAY = re.compile(r"\b(np\.ndarray|numpy\.ndarray|NDArray|ndarray|torch\.Tensor|Tensor)\b")
STATE_DICT = re.compile(r"\b(dict|Mapping)\[str, (torch\.)?Tensor\]")
SHAPE = re.compile(r"\((?=[^)]*[A-Z0-9])[\w·+*/-]+,(\s*[\w·+*/-]+,?)*\)|any shape|scalar")
"""`(B, T)`, `(N,)`, `(B, T, 80·stride)`; or the words for arrays without dimensions of their own."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """(dotted name, node) of the public classes, functions and methods of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for member in node.body:
                if isinstance(member, Function) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


def own_statements(node: Function) -> Iterator[ast.AST]:
    """The nodes of a function's body without those of functions and classes inside it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        here = waiting.pop()
        if isinstance(here, ast.ClassDef | Function | ast.Lambda):
            continue
        yield here
        waiting.extend(ast.iter_child_nodes(here))


def raises_goama_error(node: Function) -> bool:
    return any(
        isinstance(here, ast.Raise)
        and here.exc is not None
        and (name := here.exc.func if isinstance(here.exc, ast.Call) else here.exc)
        and isinstance(name, ast.Name)
        and name.id == "GoamaError"
        for here in own_statements(node)
    )


def has_arrays(node: Function) -> bool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    annotations = [node.returns, *(argument.annotation for argument in arguments if argument)]
    written = [ast.unparse(annotation) for annotation in annotations if annotation is not None]
    return any(ARRAY.search(STATE_DICT.sub("", annotation)) for annotation in written)


def says_its_errors(file: Path, node: ast.ClassDef | Function, docstring: str) -> bool:
    if isinstance(node, ast.ClassDef) or file.parent.name == "cli":  # the docstring of a verb is its help text
        return True
    return "GoamaError" in docstring or not raises_goama_error(node)


def offences(file: Path) -> Iterator[str]:
    for name, node in definitions(ast.parse(file.read_text(encoding="utf-8"))):
        docstring = ast.get_docstring(node) or ""
        if not docstring:
            yield f"{file.relative_to(PACKAGE)}: {name}: has no docstring"
        elif not says_its_errors(file, node, docstring):
            yield f"{file.relative_to(PACKAGE)}: {name}: its docstring does not name GoamaError"
        if docstring and isinstance(node, Function) and has_arrays(node) and not SHAPE.search(docstring):
            yield f"{file.relative_to(PACKAGE)}: {name}: its docstring gives no shape"


def test_public_functions_are_documented() -> None:
    assert [offence for file in sorted(PACKAGE.rglob("*.py")) for offence in offences(file)] == []
