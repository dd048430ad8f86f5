"""What names and expressions of a text stand for, at the place where a walk through it stands.

Names are followed through imports and plain assignments, expressions through constants (`folding`); nothing is run.
"""

from __future__ import annotations

import ast
import sys
from typing import Any

from engine.languages.python import forbidden
from engine.languages.python.folding import NotConstant, fold
from engine.languages.python.lies import BUILTIN

SENSITIVE = frozenset(
    {"sys", "os", "builtins", "inspect", "gc", "types", "importlib", "signal", "atexit", "linecache", "threading"}
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef
_BINDING = ("arg", "name", "asname", "rest")  # fields of definitions, parameters, imports, handlers and patterns


def aliases(tree: ast.AST) -> dict[str, str]:
    """What imported names stand for, and names that are given to these."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                names[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            target = targets[0] if len(targets) == 1 else None
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
                meant = resolve(node.value, names)
                if meant and target.id not in names:
                    names[target.id] = meant
    return names


def resolve(node: ast.expr, names: dict[str, str]) -> str:
    """The full name of what an expression refers to, if it starts at an import; else empty."""
    match node:
        case ast.Name(id=name):
            return names.get(name, "")
        case ast.Attribute(value=value, attr=attribute):
            holder = resolve(value, names)
            if holder and attribute in SENSITIVE and holder.partition(".")[0] in sys.stdlib_module_names:
                return attribute  # a module that another one has imported: `os.sys`
            return f"{holder}.{attribute}" if holder else ""
        case ast.NamedExpr(value=value):
            return resolve(value, names)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))) if resolve(value, names) == "sys.modules":
            return name
        case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str(name)), *_]) if (
            resolve(value, names) == "sys.modules"
        ):
            return name
        case ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(name)), *_]):
            return resolve(ast.Attribute(value, name, ast.Load()), names)
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            if (isinstance(function, ast.Name) and function.id == "__import__") or resolve(function, names) in {
                "importlib.import_module", "importlib.__import__", "builtins.__import__",
            }:  # fmt: skip
                return name.partition(".")[0]
    return ""


def kind_of(node: ast.expr) -> str:
    """The name of the built-in type that an expression such as `type("")` or `"".__class__` stands for; else empty."""
    match node:
        case ast.Call(func=ast.Name(id="type"), args=[value]):
            pass
        case ast.Attribute(value=value, attr="__class__"):
            pass
        case ast.Name(id=name) if name in BUILTIN:
            return name
        case _:
            return ""
    try:
        return type(fold(value)).__name__
    except NotConstant:
        return ""


def _parameters(args: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """Those with names of their own, in their order, and their defaults."""
    plain = [*args.posonlyargs, *args.args]
    lacking: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    return [
        *zip(plain, [*lacking, *args.defaults], strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]  # fmt: skip


def _binding(around: ast.AST, name: str) -> list[ast.AST]:
    """Whatever gives a value to `name` somewhere in there."""
    return [
        each for each in ast.walk(around)
        if (isinstance(each, ast.Name) and each.id == name and not isinstance(each.ctx, ast.Load))
        or (not isinstance(each, ast.keyword) and name in (getattr(each, field, None) for field in _BINDING))
    ]  # fmt: skip


class ScopedVisitor(ast.NodeVisitor):
    """Walks a text in its order, with the values of names that are constants so far."""

    def __init__(self, tree: ast.AST) -> None:
        self.tree = tree
        self.imported = aliases(tree)
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.own = {node.name for node in ast.walk(tree) if isinstance(node, Definition)}
        self.defined = self.own | {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        self.kinds = {
            node.targets[0].id: kind
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (kind := kind_of(node.value))
        }
        self.functions: list[Definition | ast.Lambda] = []
        self._shadowed: list[frozenset[str]] = []
        self._rebound: list[frozenset[str]] = []
        self._constants: list[dict[str, Any]] = [{}]

    def dotted(self, node: ast.expr) -> str:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and any(root.id in names for names in self._shadowed):
            return ""
        return resolve(node, self.imported)

    def _fold(self, node: ast.expr) -> Any:
        known = {name: value for scope in self._constants for name, value in scope.items()}
        return fold(node, known, self.dotted)

    def folded(self, node: ast.expr) -> Any:
        try:
            return self._fold(node)
        except NotConstant:
            return None

    def around(self) -> ast.AST:
        """The outermost function around, or the whole text."""
        return next((each for each in self.functions if isinstance(each, Definition)), self.tree)

    def decodes(self) -> bool:
        """Whether strings are made there in ways that only hide what they say."""
        for node in ast.walk(self.around()):
            match node:
                case ast.Attribute(attr=name) if name in forbidden.DECODERS:
                    return True
                case ast.Call(func=ast.Name(id="chr")):
                    return True
                case ast.Slice(step=ast.UnaryOp(op=ast.USub())):
                    return True
                case ast.Attribute(attr="decode", value=ast.Name(id=name)) if self.imported.get(name) == "codecs":
                    return True
        return False

    def is_given(self, node: ast.expr) -> bool:
        """Whether it is a parameter of the outermost function around, has no computed default, and nothing else is
        called so in there.
        """
        function = self.around()
        if not (isinstance(function, Definition) and isinstance(node, ast.Name)):
            return False
        given = {each for each, default in _parameters(function.args) if isinstance(default, ast.Constant | None)}
        bound = _binding(function, node.id)
        return len(bound) == 1 and bound[0] in given

    def is_own_function(self, node: ast.expr) -> bool:
        """Whether it is a name that only the outermost function around goes by, or functions defined in there.  Others
        of the module may be mocks while they are tested.
        """
        bound = _binding(self.around(), node.id) if isinstance(node, ast.Name) else []
        return bool(bound) and all(isinstance(each, Definition) for each in bound)

    def is_own_object(self, node: ast.expr) -> bool:
        """Whether it is the object that the outermost function around belongs to, as a method."""
        function = self.around()
        return (
            isinstance(function, Definition)
            and isinstance(self.parents.get(function), ast.ClassDef)
            and not function.decorator_list
            and isinstance(node, ast.Name)
            and [each.arg for each, _ in _parameters(function.args)][:1] == [node.id]
            and self.is_given(node)
        )

    def is_only_compared(self, node: ast.AST) -> bool:
        """Whether nothing is done with a value but to compare it and to look others up by it; the same of collections
        that it stands in, and of names that are given to it.
        """
        pending, known = [node], {node}
        while pending:
            each = pending.pop()
            found: list[ast.AST] = []
            match self.parents.get(each):
                case ast.Compare(ops=ops) if all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in ops):
                    pass
                case ast.Subscript(slice=key) if key is each:
                    pass
                case ast.Call(func=ast.Attribute(attr="get"), args=[key, *_]) if key is each:
                    pass
                case ast.Dict(keys=keys) if each in keys:
                    pass
                case ast.MatchValue() | ast.BinOp(op=ast.BitAnd()) | ast.Attribute(attr="isdisjoint"):
                    pass
                case ast.Set() | ast.List() | ast.Tuple() as parent:
                    found = [parent]
                case ast.Call(func=ast.Name(id="set" | "frozenset"), args=[_]) as parent:
                    found = [parent]
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=value)
                    | ast.comprehension(target=ast.Name(id=name), iter=value)
                    | ast.For(target=ast.Name(id=name), iter=value)
                ) if value is each:
                    found = self._uses(name)
                case _:
                    return False
            pending += [use for use in found if use not in known]
            known.update(found)
        return True

    def _uses(self, name: str) -> list[ast.AST]:
        """Where a variable is read, of the text or of one of its classes."""
        return [
            each for each in ast.walk(self.tree)
            if isinstance(each, ast.Name | ast.Attribute) and not isinstance(each.ctx, ast.Store)
            and name == (each.id if isinstance(each, ast.Name) else each.attr)
        ]  # fmt: skip

    def is_called(self, node: ast.Name) -> bool:
        parent = self.parents.get(node)
        return isinstance(parent, ast.Call) and parent.func is node

    def is_caught(self, node: ast.AST) -> bool:
        """Whether a class of exceptions is only asked for: `except X`, `isinstance(e, X)`, `suppress(X)`."""
        child, parent = node, self.parents.get(node)
        while isinstance(parent, ast.Tuple | ast.BinOp | ast.Starred):
            child, parent = parent, self.parents.get(parent)
        if isinstance(parent, ast.ExceptHandler):
            return parent.type is child
        return isinstance(parent, ast.Call) and ast.unparse(parent.func).rpartition(".")[2] in {
            "isinstance", "issubclass", "suppress",
        }  # fmt: skip

    def is_parameter(self, node: ast.expr) -> bool:
        """Whether an expression is made of nothing but what the function was given, and literal text."""
        given = {a.arg for f in self.functions for a in ast.walk(f.args) if isinstance(a, ast.arg)}
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return bool(names) and names <= given

    def _visit_function(self, node: Definition | ast.Lambda) -> None:
        given = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        stored = {
            each.id for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and each.id not in self.imported
        }  # fmt: skip
        self.functions.append(node)
        self._shadowed.append(frozenset(given | stored))
        self._rebound.append(self._given_other_values(node))
        self._constants.append({})
        self.generic_visit(node)
        self._constants.pop()
        self._shadowed.pop()
        self._rebound.pop()
        self.functions.pop()

    def _given_other_values(self, node: ast.AST) -> frozenset[str]:
        """Names of imports that are variables there, and never stand for what was imported."""
        stored = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        modules = {
            target.id
            for each in ast.walk(node)
            if isinstance(each, ast.Assign | ast.NamedExpr | ast.AnnAssign) and each.value is not None
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name) and resolve(each.value, self.imported)
        }
        return frozenset(stored - modules)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function

    def keep(self, name: str, value: ast.expr) -> Any:
        known = self.folded(value)
        if known is None:
            self._constants[-1].pop(name, None)
        else:
            self._constants[-1][name] = known
        return known
