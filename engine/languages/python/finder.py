"""Looks through a text for what the rules of `forbidden` and `lies` speak of."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from typing import Any

from attrs import frozen

from engine.languages.python import forbidden
from engine.languages.python.folding import texts
from engine.languages.python.handing import is_handed_on, is_module
from engine.languages.python.lies import CHECKS, HIDDEN, RICH, lies
from engine.languages.python.scopes import SENSITIVE, Definition, ScopedVisitor, kind_of
from engine.languages.python.syntax import tree_of

_DEEPEST = 3  # of texts within texts that are run
_FIELD = re.compile(r"\{(\w*[.\[][^{}:!]*)")  # of a format: `{0.name[1].other}`
COMPARED = RICH | CHECKS
BUILTINS = frozenset(name for name, value in vars(builtins).items() if type(value) is type(len))


@frozen
class Finding:
    """One thing the text does.  `key` names it apart from its place; `refused`: no honest function needs it."""

    key: str
    message: str
    line: int
    refused: bool


class Finder(ScopedVisitor):
    """Notes every finding, in the order of the text.

    Args:
        speaking: names of functions that are about tests, and may name their files.
        may_exit: the text is a program's, which may end itself.
        depth: how deep this text lies in others that are run as code.
    """

    def __init__(self, tree: ast.AST, speaking: frozenset[str], may_exit: bool, depth: int = 0) -> None:
        super().__init__(tree)
        self.found: list[Finding] = []
        self._speaking, self._may_exit, self._depth = speaking, may_exit, depth

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

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._visit_target(target)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.keep(node.targets[0].id, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._visit_target(node.target)
        if isinstance(node.target, ast.Name):
            left = ast.Name(node.target.id, ast.Load())
            whole = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
            self._check_spelled(whole, self.keep(node.target.id, whole))

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

    def _check_name(self, name: str, last: str, node: ast.AST) -> None:
        """`name`: the full name if it is known; `last`: its last part."""
        parts = (part for part in (*name.split("."), last) if part in forbidden.ATTRIBUTES)
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
                if attribute in forbidden.MOCKED:
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

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._visit_target(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            if isinstance(node.target, ast.Name):
                self.keep(node.target.id, node.value)
        self._visit_target(node.target)

    # Calls.

    def visit_Call(self, node: ast.Call) -> None:
        self._check_handed(self.dotted(node), node)
        name = self.dotted(node.func) or (
            node.func.id if isinstance(node.func, ast.Name) and node.func.id not in self.defined else ""
        )
        bare = name.removeprefix("builtins.")
        first = node.args[0] if node.args else None
        if bare in {"exec", "eval", "compile"} and first is not None:
            self._check_run(bare, first, node)
        elif bare in {"__import__", "importlib.import_module", "importlib.__import__"} and first is not None:
            self._check_imported(first, node)
        elif bare in {"getattr", "setattr", "delattr", "hasattr"} and len(node.args) > 1:
            self._check_access(bare, node.args[0], node.args[1], node)
        elif bare in {"operator.attrgetter", "operator.methodcaller"} and first is not None:
            for each in node.args if bare == "operator.attrgetter" else node.args[:1]:
                self._check_access("getattr", None, each, node)
                if isinstance(text := self.folded(each), str) and SENSITIVE & set(text.split(".")[:-1] or [text]):
                    self._report(f"{bare} {text}", f"reaches modules through another ({text})", node)
        elif bare in {"pickle.loads", "_pickle.loads"} and isinstance(self.folded(node.args[0]), bytes):
            self._report(bare, "loads a pickle that it brings along", node)
        elif bare in forbidden.EXIT_CALLS:
            self._report(bare, f"ends the test process ({bare})", node, refused=not self._may_exit)
        elif bare in forbidden.DESCRIPTORS | {"open", "io.open", "io.FileIO"} and first is not None:
            self._check_descriptor(bare, first, node)
        elif bare in forbidden.RUNNERS and first is not None and (self.decodes() or self.folded(first) is not None):
            self._check_run(bare, first, node)
        elif bare.startswith("types.") and bare.rpartition(".")[2] in {"FunctionType", "CodeType", "LambdaType"}:
            self._report(bare, f"takes functions apart ({bare})", node)
        elif bare in {"globals", "locals", "vars", "breakpoint", "input", "dir"}:
            self._report(bare, f"looks at names as data ({bare})", node, refused=False)
            self._check_names_as_data(bare, first, node)
        for keyword in node.keywords:
            if keyword.arg in COMPARED:
                self._report(keyword.arg, f"makes a class that compares in a way of its own ({keyword.arg})", node)
            elif keyword.arg == "stack_info" and self.folded(keyword.value):
                self._report("stack_info", f"{forbidden.FRAMES} (stack_info)", node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"update", "setdefault", "pop", "clear"}:
            inner = node.func.value
            if isinstance(inner, ast.Attribute) and inner.attr == "__dict__":
                self._check_changed(self.dotted(inner.value), "__dict__", node)
        if not self._check_source(node):
            self._visit_expression(node)

    def _check_source(self, node: ast.Call) -> bool:
        """`inspect.getsource` of what the function was given is what it is asked to look at."""
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        asked = called.startswith("getsource") and len(node.args) == 1 and self.is_parameter(node.args[0])
        if asked:
            self._report("getsource", "reads source code (inspect)", node, refused=False)
        return asked

    def _check_run(self, how: str, code: ast.expr, node: ast.Call) -> None:
        text = self.folded(code)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if isinstance(text, str):
            self._report(how, f"runs a text ({how})", node, refused=self._depth >= _DEEPEST)
            try:
                tree = tree_of(text.strip())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return
            inner = Finder(tree, self._speaking, self._may_exit, self._depth + 1)
            inner.visit(tree)
            for each in inner.found:
                self.found.append(Finding(each.key, f"runs a text that {each.message}", node.lineno, each.refused))
            return
        words = (each.value for each in ast.walk(self.around()) if isinstance(each, ast.Constant))
        hidden = any(isinstance(each, str) and "_" in each and " " not in each for each in words)
        harmless = how == "eval" and not self.decodes() and not hidden
        self._report(how, f"runs a text that is not known beforehand ({how})", node, refused=not harmless)

    def _check_imported(self, module: ast.expr, node: ast.Call) -> None:
        name = self.folded(module)
        if isinstance(name, str):
            self._check_import(name, node)
        else:
            given = self.is_parameter(module)
            self._report("import", "imports a module by a computed name", node, refused=not given)

    def _check_access(self, how: str, holder: ast.expr | None, name: ast.expr, node: ast.Call) -> None:
        owner = self.dotted(holder) if holder is not None else ""
        known = self.folded(name)
        if isinstance(known, str):
            if how in {"setattr", "delattr"}:
                self._check_changed(owner, known, node)
                if isinstance(holder, ast.Call) and self._is_class_of_another(holder):
                    self._report("type()", f"changes a class that is not its own ({ast.unparse(node)[:40]})", node)
                if known in {"__class__", "__code__"}:
                    self._report(known, f"changes {known} of an object", node)
            self._check_name(f"{owner}.{known}" if owner else known, known.rpartition(".")[2], node)
            return
        certain = owner.partition(".")[0] in SENSITIVE or self.decodes() or self._picks_names()
        self._report(f"{how} {owner}", f"uses computed names ({how})", node, refused=certain)
        if how in {"setattr", "delattr"}:
            self._check_changed(owner, "...", node)

    def _picks_names(self) -> bool:
        """Whether a name is found among those of an object by a piece of it that only some names have."""
        nodes = list(ast.walk(self.around()))
        used = {each.id for each in nodes if isinstance(each, ast.Name)}
        used |= {each.attr for each in nodes if isinstance(each, ast.Attribute)}
        if not used & {"dir", "vars", "__dict__", "__dir__", "getmembers"}:
            return False
        words = (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))
        return any(forbidden.PIECES.search(word) for word in words)

    def _check_descriptor(self, how: str, first: ast.expr, node: ast.Call) -> None:
        number = self.folded(first)
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if how in forbidden.DESCRIPTORS and not is_number:
            calls = (each.func for each in ast.walk(self.around()) if isinstance(each, ast.Call))
            opened = {ast.unparse(each).rpartition(".")[2] for each in calls}
            is_number = isinstance(first, ast.Name) and not self.is_parameter(first) and not opened & forbidden.OPENERS
        if is_number:
            self._report(how, f"uses a descriptor by its number ({how})", node)
        mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
        if how in {"open", "io.open"} and mode is not None and set("wax+") & set(str(self.folded(mode))):
            self._report(how, "writes files (open)", node, refused=False)

    def _check_names_as_data(self, how: str, first: ast.expr | None, node: ast.Call) -> None:
        parent = self.parents.get(node)
        owner = self.dotted(first) if first is not None else ""
        if owner.partition(".")[0] in SENSITIVE:
            self._report(f"{how} {owner}", f"searches {owner} for names", node)
        elif isinstance(parent, ast.Subscript) and self.folded(parent.slice) is None and self.decodes():
            self._report(f"{how}[]", f"uses computed names ({how})", node)

    # Constants, and expressions that come to one.

    def _visit_expression(self, node: ast.expr) -> None:
        known = self.folded(node)
        if known is None:
            self.generic_visit(node)
        else:
            self._check_spelled(node, known)

    visit_BinOp = visit_JoinedStr = _visit_expression

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._check_handed(self.dotted(node), node)
        self._visit_expression(node)

    def _check_spelled(self, node: ast.expr, known: Any) -> None:
        for text in texts(known):
            if text in forbidden.SPELLED or text in HIDDEN or any(name in text for name in forbidden.LONG_NAMES):
                self._report(f"spelled {text}", f"spells {text[:40]!r} in pieces", node)
            else:
                self._check_text(text, node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(self.parents.get(node), ast.Expr):
            return  # a docstring
        for text in texts(node.value):
            inner = {part for each in _FIELD.findall(text) for part in re.split(r"[.\[\]]", each)}
            if (
                text.rpartition(".")[2] in forbidden.ATTRIBUTES
                or text in HIDDEN
                or text in {"__builtins__", "__import__"}
                or text in forbidden.MOCKED
                or inner & forbidden.ATTRIBUTES.keys()
            ):
                self._report(f"named {text}", f"names {text!r} in a string", node)
            else:
                self._check_text(text, node)
                self._check_program(text, node)

    def _check_program(self, text: str, node: ast.AST) -> None:
        """A text that is a program may be run: by another interpreter, or as an annotation that is evaluated."""
        if self._depth >= _DEEPEST or not ("import " in text or "(" in text):
            return
        try:
            tree = tree_of(text.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        inner = Finder(tree, self._speaking, True, self._depth + 1)  # another interpreter may be ended
        inner.visit(tree)
        self.found += [
            Finding(each.key, f"has a text that {each.message}", getattr(node, "lineno", 1), refused=True)
            for each in inner.found
            if each.refused
        ]

    def _check_text(self, text: str, node: ast.AST) -> None:
        about_tests = any(isinstance(f, Definition) and f.name in self._speaking for f in self.functions)
        for pattern, why in forbidden.PLACES:
            if pattern.search(text):
                self._report(f"place {text}", f"{why} ({text[:40]!r})", node, refused=not about_tests)
                return
