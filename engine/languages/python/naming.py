"""Looks through a text for what it imports, names and writes to, as the rules of `forbidden` and `lies` speak of it."""

from __future__ import annotations

import ast
import builtins
import sys

from attrs import frozen

from engine.languages.python import forbidden
from engine.languages.python.handing import is_handed_on, is_module
from engine.languages.python.lies import CHECKS, RICH, lies
from engine.languages.python.scopes import ScopedVisitor, kind_of

COMPARED = RICH | CHECKS
BUILTINS = frozenset(name for name, value in vars(builtins).items() if type(value) is type(len))


@frozen
class Finding:
    """One thing the text does.  `key` names it apart from its place; `refused`: no honest function needs it."""

    key: str
    message: str
    line: int
    refused: bool


class NameFinder(ScopedVisitor):
    """Notes every finding about names, in the order of the text.

    Args:
        may_exit: the text is a program's, which may end itself.
        searches: the text has ways to modules and their loaders, so that `forbidden.SHARED` may be meant of these.
    """

    def __init__(self, tree: ast.AST, may_exit: bool, searches: bool) -> None:
        super().__init__(tree)
        self.found: list[Finding] = []
        self._may_exit, self._searches = may_exit, searches

    def _report(self, key: str, message: str, node: ast.AST, *, refused: bool = True) -> None:
        self.found.append(Finding(f"{key}:{refused}", message, getattr(node, "lineno", 1), refused))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for lie in lies(node, [self._base(base) for base in node.bases]):
            self._report(f"lie {lie.key}", lie.message, lie.node, refused=lie.certain)
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in forbidden.EXITS:
                self._report(base.id, f"makes a kind of {base.id}", node, refused=not self._may_exit)
        self.generic_visit(node)

    def _base(self, node: ast.expr) -> str:
        """The last part of a base's name, also of `type("")` and of names that stand for it."""
        if isinstance(node, ast.Name) and node.id in self.kinds:
            return self.kinds[node.id]
        known = self.dotted(node) or kind_of(node) or ast.unparse(node).partition("[")[0]
        return known.rpartition(".")[2]

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for name in node.kwd_attrs:
            self._check_name(name, name, node)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._report(
            f"global {node.names}", f"keeps state between calls ({', '.join(node.names)})", node, refused=False
        )

    # Names.

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            self._check_import(each.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for each in node.names:
            name = f"{node.module or ''}.{each.name}".lstrip(".")
            if node.level:
                if each.name in forbidden.ATTRIBUTES or forbidden.TEST_MODULE.search(name):
                    self._report(f"import {name}", f"imports {name}", node, refused=False)
                continue
            if not self._check_import(node.module or "", node):
                self._check_name(name, each.name, node)

    def _check_import(self, name: str, node: ast.AST) -> bool:
        why = forbidden.below(name, forbidden.IMPORTS)
        if why:
            self._report(f"import {name}", f"{why} (import {name})", node)
        elif forbidden.TEST_MODULE.search(name):
            self._report(f"import {name}", f"imports tests ({name})", node)
        else:
            why = forbidden.below(name, forbidden.FLAGGED_IMPORTS)
            if why:
                self._report(f"import {name}", f"{why} ({name})", node, refused=False)
        return bool(why)

    def _is_forbidden(self, attribute: str) -> bool:
        return attribute in forbidden.ATTRIBUTES and (self._searches or attribute not in forbidden.SHARED)

    def _check_name(self, name: str, last: str, node: ast.AST) -> None:
        """`name`: the full name if it is known; `last`: its last part."""
        parts = filter(self._is_forbidden, (*name.split("."), last))
        refused = (
            forbidden.ATTRIBUTES.get(next(parts, ""))
            or forbidden.below(name, forbidden.NAMES)
            or forbidden.below(name, forbidden.IMPORTS)
        )
        if refused:
            self._report(name or last, f"{refused} ({name or last})", node)
            return
        flagged = (
            forbidden.FLAGGED_ATTRIBUTES.get(last)
            or forbidden.below(name, forbidden.FLAGGED_NAMES)
            or forbidden.below(name, forbidden.FLAGGED_IMPORTS)
        )
        if flagged:
            self._report(name or last, f"{flagged} ({name or last})", node, refused=False)

    def _check_handed(self, name: str, node: ast.expr) -> None:
        """A module that is handed on can be changed under another name."""
        if name and is_module(name) and is_handed_on(node, self.parents):
            self._report(f"hands {name}", f"hands a module on ({name})", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.dotted(node)
        parent = self.parents.get(node)
        self._check_handed(name, node)
        if node.attr in {"__dict__", "__setattr__", "__delattr__"} and is_module(self.dotted(node.value)):
            self._report(f"{name}", f"searches {self.dotted(node.value)} for names", node)
        if name == "sys.modules":
            self._check_modules(node, parent)
        elif not (name and isinstance(parent, ast.Attribute) and self.dotted(parent)):  # the longest name counts
            self._check_name(name, node.attr, node)
        if node.attr == "__code__" and isinstance(parent, ast.Attribute) and parent.attr not in forbidden.PLAIN_CODE:
            self._report("__code__", "takes functions apart (__code__)", node)
        if (
            node.attr == "__self__"
            and isinstance(node.value, ast.Name)
            and node.value.id in BUILTINS | forbidden.SPELLED
            and not any(node.value.id in names for names in self._shadowed)
        ):
            self._report("__self__", "reaches builtins through a function (__self__)", node)
        if not name and node.attr in forbidden.DETOURS and not isinstance(node.value, ast.Name | ast.Attribute):
            self._report(f".{node.attr}", f"reaches {node.attr} through another module", node)
        elif not name and node.attr == "modules" and ast.unparse(node.value).rpartition(".")[2] == "sys":
            self._report("sys.modules", "looks through or changes sys.modules", node)
        if name and forbidden.below(name, forbidden.NAMES | forbidden.IMPORTS):
            return  # told once
        self.visit(node.value)

    def _check_modules(self, node: ast.AST, parent: ast.AST | None) -> None:
        key: ast.expr | None = None
        match parent:
            case ast.Subscript(slice=key, ctx=ast.Load()):
                pass
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()]):
                pass
            case ast.Attribute(attr="get"):
                call = self.parents.get(parent)
                key = call.args[0] if isinstance(call, ast.Call) and call.args else None
        if key is not None and isinstance(parent, ast.Compare):
            return
        name = self.folded(key) if key is not None else None
        own = isinstance(key, ast.Name | ast.Attribute) and ast.unparse(key).endswith(("__name__", "__module__"))
        if isinstance(name, str):
            self._check_import(name, node)
        elif not own:
            self._report("sys.modules", "looks through or changes sys.modules", node)

    def visit_Name(self, node: ast.Name) -> None:
        shadowed = any(node.id in names for names in self._shadowed) or node.id in self.defined
        if node.id in {"__builtins__", "__loader__", "__spec__"}:
            self._report(node.id, f"reaches into the interpreter ({node.id})", node)
        elif node.id == "__file__":
            self._report(node.id, "looks beside its own file", node, refused=False)
        elif node.id in {"exec", "__import__"} and not shadowed and not self.is_called(node):
            self._report(node.id, f"hands {node.id} on", node)
        elif node.id in forbidden.EXITS - {"BaseException"} and not shadowed and not self.is_caught(node):
            self._report(node.id, f"ends the test process ({node.id})", node, refused=not self._may_exit)
        elif node.id in self.imported and not shadowed and isinstance(node.ctx, ast.Load):
            if not any(node.id in names for names in self._rebound):
                self._check_handed(self.imported[node.id], node)
            self._check_name(self.imported[node.id], self.imported[node.id].rpartition(".")[2], node)

    def visit_Raise(self, node: ast.Raise) -> None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(raised, ast.Name) and raised.id == "BaseException":
            self._report("BaseException", "raises what no handler expects", node)
        self.generic_visit(node)

    # What is written to.

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._visit_target(target)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.keep(node.targets[0].id, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            if isinstance(node.target, ast.Name):
                self.keep(node.target.id, node.value)
        self._visit_target(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._visit_target(node.target)
        for child in (node.iter, *node.body, *node.orelse):
            self.visit(child)

    visit_AsyncFor = visit_For

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._visit_target(node.optional_vars)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._visit_target(node.target)
        for child in (node.iter, *node.ifs):
            self.visit(child)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._visit_target(target)

    def _visit_target(self, target: ast.expr) -> None:
        match target:
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                for each in elts:
                    self._visit_target(each)
                return
            case ast.Starred(value=value):
                self._visit_target(value)
                return
            case ast.Attribute(value=ast.Attribute(attr="__self__")):
                self._report("__self__ =", "changes what a function belongs to (__self__)", target)
            case ast.Attribute(value=value, attr=attribute):
                self._check_changed(self.dotted(value), attribute, target)
                if attribute in forbidden.MOCKED and not (self.is_own_function(value) or self.is_own_object(value)):
                    self._report(attribute, f"changes what a mock has noted ({attribute})", target)
                if isinstance(value, ast.Call) and self._is_class_of_another(value):
                    self._report("type()", f"changes a class that is not its own ({ast.unparse(target)[:40]})", target)
                if attribute in COMPARED and not (isinstance(value, ast.Name) and value.id in {"cls", "self"}):
                    self._report(attribute, f"changes how others compare ({ast.unparse(target)[:40]})", target)
                if isinstance(value, ast.Name) and value.id in self.own:
                    self._report(f"{value.id}.", f"keeps state between calls ({value.id})", target, refused=False)
                if attribute in {"__class__", "__code__", "__globals__"}:
                    self._report(attribute, f"changes {attribute} of an object", target)
            case ast.Subscript(value=ast.Attribute(value=value, attr="__dict__")):
                self._check_changed(self.dotted(value), "__dict__", target)
            case ast.Subscript(value=ast.Call(func=ast.Name(id="vars"), args=[value])):
                self._check_changed(self.dotted(value), "__dict__", target)
        self.visit(target)

    @staticmethod
    def _is_class_of_another(call: ast.Call) -> bool:
        """Whether it is `type(x)`, where x is not the object that a method belongs to."""
        match call:
            case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id="self" | "cls")]):
                return False
            case ast.Call(func=ast.Name(id="type"), args=[_]):
                return True
        return False

    def _check_changed(self, holder: str, attribute: str, node: ast.AST) -> None:
        if not holder or forbidden.below(f"{holder}.{attribute}", forbidden.NAMES):
            return
        root = holder.partition(".")[0]
        certain = (
            root in sys.stdlib_module_names or bool(forbidden.below(holder, forbidden.IMPORTS)) or "testing" in holder
        )
        self._report(f"{holder}.{attribute} =", f"changes {holder}.{attribute}", node, refused=certain)
