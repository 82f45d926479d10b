"""Makes the Python code of the wire contract from proto/ullage/**/*.proto, or checks that the committed code is fresh.

The generated modules are committed beside their .proto, so a checkout has types and a review shows changes of the wire.
Not responsible for the hand-written modules in proto/ullage.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "ullage"
PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(into: Path) -> None:
    """Write all generated modules below `into`, laid out as below proto/."""
    protos = sorted(PACKAGE.rglob("*.proto"))
    if not protos:
        sys.exit(f"no .proto file below {PACKAGE}")
    # Without a service the gRPC plugins write empty modules, so only files that define one are given to them.
    services = [
        path for path in protos if any(line.startswith("service ") for line in path.read_text().splitlines())
    ]
    _protoc(into, ["--python_out", "--mypy_out"], protos)
    if services:
        _protoc(into, ["--grpc_python_out", "--mypy_grpc_out"], services)


def _protoc(into: Path, outputs: list[str], protos: list[Path]) -> None:
    # As a module: protoc.main() would not put the well-known types on the path. The mypy plugin is found through PATH.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{ROOT}",
        *(f"{name}={into}" for name in outputs),
    ]
    done = subprocess.run(
        [*command, *map(str, protos)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}protoc failed; the committed code is as it was")


def _generated(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for pattern in PATTERNS for path in root.rglob(pattern)
    }


def stale() -> list[str]:
    """The generated files that are missing, differ, or belong to no .proto any more."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted, present = _generated(Path(scratch)), _generated(ROOT)
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write() -> list[str]:
    """Make the committed code equal to the contract; return the names of the files written or removed."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted, present = _generated(Path(scratch)), _generated(ROOT)
    changed = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    for name in changed:
        if name in wanted:
            (ROOT / name).write_bytes(wanted[name])
        else:
            (ROOT / name).unlink()
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the modules of the wire contract again.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 and list the files that are stale"
    )
    if parser.parse_args().check:
        if names := stale():
            sys.exit(
                "stale generated code (run `make proto` and commit):\n"
                + "\n".join(f"  proto/{n}" for n in names)
            )
        return
    for name in write():
        sys.stderr.write(f"proto/{name}\n")


if __name__ == "__main__":
    main()
