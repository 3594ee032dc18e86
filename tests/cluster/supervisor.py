"""Starts processes and makes sure that none outlives whoever asked for them.

Run as a process of its own (`python supervisor.py DIRECTORY`), it takes orders
as JSON lines on stdin and answers on stdout, and ends everything the moment
its stdin is closed: also when the test run is killed by SIGKILL, because the
kernel closes a dead process's pipes. Then it removes DIRECTORY. That works the
same on Linux and macOS; on Linux the children additionally die with the
supervisor (`PR_SET_PDEATHSIG`, safe here because it has one thread).

Standard library only and no import of the package: it has to start in a few
milliseconds and without site-packages.

    {"do": "start", "name": "etcd", "argv": [...], "log": "…", "env": {...}}  →  {"pid": 4711}
    {"do": "signal", "name": "etcd", "signal": 19}                             →  {}     (its whole group)
    {"do": "signal", "name": "node", "signal": 1, "alone": true}               →  {}     (the process alone)
    {"do": "stop", "name": "etcd", "signal": 15, "timeout": 10}                →  {"code": -15}
    {"do": "poll", "name": "etcd"}                                             →  {"code": null}
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def main() -> None:
    directory = sys.argv[1]
    children: dict[str, subprocess.Popen[bytes]] = {}
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Ctrl-C reaches the whole foreground group: the test run decides what ends, by closing the pipe.
        signal.signal(name, signal.SIG_IGN)
    try:
        for line in sys.stdin:
            answer = _obey(children, json.loads(line))
            print(json.dumps(answer), flush=True)
    except BrokenPipeError:
        pass  # whoever asked is gone, which is what the end of stdin says too
    finally:
        for child in children.values():
            _kill(child, signal.SIGKILL)
        for child in children.values():
            child.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _obey(children: dict[str, subprocess.Popen[bytes]], order: dict[str, Any]) -> dict[str, Any]:
    name = order["name"]
    if order["do"] == "start":
        with open(order["log"], "ab") as log:
            try:
                child = children[name] = subprocess.Popen(
                    order["argv"],
                    env={**os.environ, **order.get("env", {})},
                    cwd=order.get("cwd"),
                    stdin=subprocess.PIPE,  # closes with this process: the doubles end on that
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    # One thread only, so nothing holds a lock between fork and exec.
                    preexec_fn=_prepare,  # noqa: PLW1509
                )
            except OSError as error:
                return {"error": str(error)}
        return {"pid": child.pid}
    if name not in children:
        return {"error": f"{name} was never started"}
    child = children[name]
    if order["do"] == "signal":
        if order.get("alone") and child.poll() is None:
            child.send_signal(order["signal"])
        else:
            _kill(child, order["signal"])
        return {}
    if order["do"] == "stop":
        _kill(child, order["signal"])
        try:
            child.wait(order["timeout"])
        except subprocess.TimeoutExpired:
            _kill(child, signal.SIGKILL)
        return {"code": child.wait()}
    return {"code": child.poll()}


def _kill(child: subprocess.Popen[bytes], number: int) -> None:
    if child.poll() is None:
        os.killpg(child.pid, number)


def _prepare() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # What this process ignores, a program that it becomes would ignore, too.
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)


if __name__ == "__main__":
    main()
