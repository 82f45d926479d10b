"""A process that runs one command of ``ullage`` after another: starting Python for each costs a test a second.

A request and an answer are a line of JSON each. What depends on a process of its own (signals, pipes) starts one.
"""

import json
import os
import sys

from click.testing import CliRunner

from tui.__main__ import run


def serve() -> None:
    """Until stdin ends."""
    requests, answers = sys.stdin, sys.stdout
    for line in requests:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["environment"])
        with CliRunner().isolation(input=asked["stdin"]) as (out, err, _):
            try:
                code = run(asked["arguments"])
            except SystemExit as ended:
                code = int(ended.code or 0)
        answer = {"code": code, "out": out.getvalue().decode(), "err": err.getvalue().decode()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
