"""Which files the house rules are about."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("agent", "aggregator", "tui")
# Import roots: a folder's name is its import name; proto/ is a source root of its own.
PACKAGES = {"agent": ROOT, "aggregator": ROOT, "tui": ROOT, "sql": ROOT, "ullage": ROOT / "proto"}
OTHERS = ("tests", "deploy", "bench")


def generated(path: Path) -> bool:
    """Whether protoc wrote it."""
    return path.stem.endswith(("_pb2", "_pb2_grpc"))


def python_files(*packages: str) -> list[Path]:
    """The hand-written modules of these packages; of everything when none is named."""
    if packages:
        folders = [PACKAGES.get(name, ROOT) / name for name in packages]
    else:
        folders = [*(root / name for name, root in PACKAGES.items()), *(ROOT / name for name in OTHERS)]
    found = [path for folder in folders for path in folder.rglob("*.py") if not generated(path)]
    return sorted(found if packages else [*found, ROOT / "proto" / "generate.py"])


def tree(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text("utf-8"), str(path))


def shown(path: Path) -> str:
    """A path as a reader knows it."""
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """What the file is imported as."""
    package = next(name for name, root in PACKAGES.items() if path.is_relative_to(root / name))
    parts = path.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Full names of all modules that the file imports, also inside functions; types-only imports as well."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found
