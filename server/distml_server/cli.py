"""The command ``distml``: its arguments, and errors as one line on the terminal. Heavy modules are imported when needed."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit code: 0 done, 1 the run or the recipe failed, 2 it could not begin."""
    options = parser().parse_args(arguments)
    if getattr(options, "as_torch", None):
        return _program(options)
    # NumPy reads these when it is imported. One thread: workers share the machine, and sums have one order.
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    from distml_py.errors import DistmlError

    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        return 130
    except DistmlError as error:
        print(f"distml: {error}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="distml", description="Train neural networks in browser tabs.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the page and coordinate runs")
    serve.set_defaults(command=_serve)
    serve.add_argument("--port", type=int, default=8000, metavar="P", help="default 8000; 0: any free one")
    serve.add_argument("--lan", action="store_true", help="open to the network, with tokens in the links")
    serve.add_argument("--host", metavar="ADDRESS", help="listen at this address alone; for IPv6 ::1 or, with --lan, ::")
    serve.add_argument("--join-hours", type=float, metavar="H", help="the join link ends after H hours (default: never)")
    serve.add_argument("--insecure-public", action="store_true", help="with --lan: also on a public address, without TLS")
    serve.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="another name of this machine")
    serve.add_argument("--recipe", metavar="NAME", help="start a run of this recipe (a name on the page, or a .py file)")
    serve.add_argument("--steps", type=int, metavar="N", help="default: the recipe's own")
    serve.add_argument("--seed", type=int, metavar="S", help="default 0")
    serve.add_argument("--deterministic", action="store_true", help="bit-identical weights, reference backend only")
    serve.add_argument("--run-dir", default="distml-runs", metavar="DIR", help="default ./distml-runs")
    serve.add_argument("--store", choices=("files", "sqlite"), help="how a new --run-dir keeps its records (default: files)")
    serve.add_argument("--cluster", metavar="nats://HOST:PORT,...",
                       help="share one run with other coordinators, through NATS with JetStream")  # fmt: skip
    serve.add_argument("--durability", type=_durability, metavar="S",
                       help="seconds of work a crash may cost (default 1); step: none, steps are stored first")  # fmt: skip
    serve.add_argument("--resume", nargs="?", const=True, metavar="RUN", help="go on with this run, or the newest, in --run-dir")
    serve.add_argument("--exit", action="store_true", help="end with code 0 when the run is finished and stored")
    serve.add_argument("--local-worker-after", type=_wait, default=15.0, metavar="S",
                       help="with --exit: start a worker here when none has joined for S seconds (default 15)")  # fmt: skip
    serve.add_argument("--with", action="append", default=[], dest="packages", metavar="PACKAGE",
                       help="a pure-Python package that recipes may import: a name, name==version, or a wheel's path")  # fmt: skip
    serve.add_argument("--embed", action="append", default=[], metavar="ORIGIN", help="a site whose pages may show this page")
    serve.add_argument("--tensorboard", metavar="DIR", help="write event files for TensorBoard there, a folder for each run")
    serve.add_argument("--no-page", action="store_true", help="no page, and no browser files fetched for it")
    serve.add_argument("--cache", metavar="DIR", help="where Pyodide and NumPy are kept (default: the user's cache)")

    _add_exchange(serve)

    _add_others(commands)
    return root


def _durability(text: str) -> float:
    seconds = _seconds(text)
    if text != "step" and not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"step, or seconds above 0 and up to 3600, got {text!r}")
    return 0.0 if text == "step" else seconds


def _wait(text: str) -> float:
    seconds = _seconds(text)
    if not 0 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"seconds from 0 to 86400, got {text!r}")
    return seconds


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _add_others(commands: Any) -> None:
    worker = commands.add_parser("worker", help="compute for a run, without a browser")
    worker.set_defaults(command=_worker)
    worker.add_argument("link", help="the link that `distml serve` printed; - reads it from standard input")
    worker.add_argument("--name", default="", help="shown in the list of workers")

    _add_stored(commands)

    doctor = commands.add_parser("doctor", help="check this machine: what `distml serve` and its tabs need, and what to do")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--port", type=int, default=8000, metavar="P", help="default 8000")
    doctor.add_argument("--run-dir", default="distml-runs", metavar="DIR", help="default ./distml-runs")
    doctor.add_argument("--cache", metavar="DIR", help="where Pyodide and NumPy are kept (default: the user's cache)")
    _add_invite(commands)

    run = commands.add_parser("run", help="train a recipe file, or run a program for PyTorch, here, alone, on NumPy")
    run.set_defaults(command=_run)
    run.add_argument("recipe", nargs="?", help="a .py file, or the name of a recipe of the page")
    run.add_argument("--as-torch", nargs=argparse.REMAINDER, metavar="SCRIPT.py",
                     help="run a program written for PyTorch, with the arguments after it; import torch is distml_py")  # fmt: skip
    run.add_argument("--steps", type=int, metavar="N")
    run.add_argument("--seed", type=int, default=0, metavar="S")

    export = commands.add_parser("export-site", help="write the page as plain files, for any web server; each tab trains alone")
    export.set_defaults(command=_export)
    export.add_argument("folder", metavar="DIR", help="a new or an empty folder")
    export.add_argument("--cache", metavar="DIR", help="where Pyodide and NumPy are kept (default: the user's cache)")


def _add_exchange(serve: argparse.ArgumentParser) -> None:
    exchange = serve.add_argument_group("how workers exchange what they computed (default: as the recipe says)")
    exchange.add_argument("--mode", choices=("sync", "local", "async"), help="of steps; local: several by each worker (DiLoCo)")
    exchange.add_argument("--codec", choices=("fp32", "fp16", "int8", "topk"), help="of gradients and weights on their way")
    exchange.add_argument("--local-steps", type=int, metavar="H", help="with --mode local; 0: by the time that transfers take")
    exchange.add_argument("--outer-lr", type=float, metavar="X", help="with --mode local (default 0.7; under 16 steps, or topk: 1)")
    exchange.add_argument("--outer-momentum", type=float, metavar="X", help="likewise (default 0.9, or 0)")
    exchange.add_argument("--staleness", type=int, metavar="N", help="with --mode async: steps that an answer may be late")
    exchange.add_argument("--quorum", type=float, metavar="SHARE", help="of a step's samples that is enough when the rest is slow")
    _add_strangers(serve)


def _add_strangers(serve: argparse.ArgumentParser) -> None:
    strangers = serve.add_argument_group("when workers may be wrong on purpose (see SECURITY.md)")
    strangers.add_argument("--aggregator", choices=("mean", "median", "trimmed_mean", "krum", "multi_krum", "centered_clipping"),
                           help="of a step's gradients (default mean); the others bear a quarter of wrong ones")  # fmt: skip
    strangers.add_argument("--untrusted", action="store_true",
                           help="trimmed_mean, audits, and limits for each address")  # fmt: skip
    strangers.add_argument("--audit", type=float, metavar="SHARE",
                           help="of the shards: two workers must agree on it (default 0; with --untrusted 0.05)")  # fmt: skip


def _add_stored(commands: Any) -> None:
    runs = commands.add_parser("runs", help="the runs in a run directory")
    runs.set_defaults(command=_runs)
    runs.add_argument("action", choices=("list", "show", "check", "export", "delete"), nargs="?", default="list",
                      help="check: whether ledger and checkpoint can be true; export: the weights as safetensors")  # fmt: skip
    runs.add_argument("run", nargs="?", metavar="RUN", help="check without one: all of them")
    runs.add_argument("--cluster", metavar="nats://HOST:PORT,...", help="the runs that several coordinators share")
    runs.add_argument("--out", metavar="FILE", help="with export: default RUN-STEP.safetensors")
    runs.add_argument("--run-dir", default="distml-runs", metavar="DIR", help="default ./distml-runs")


def _add_invite(commands: Any) -> None:
    invite = commands.add_parser("invite", help="the links of a coordinator, also while it runs: list, make and take back")
    invite.set_defaults(command=_invite)
    invite.add_argument("role", choices=("host", "worker", "viewer"), nargs="?", help="make one; without it: list them")
    invite.add_argument("--hours", type=float, metavar="H", help="it ends after H hours")
    invite.add_argument("--run", default="", metavar="RUN", help="it is good for this run alone")
    invite.add_argument("--revoke", metavar="ID", help="take one back; who came with it is sent away")
    invite.add_argument("--run-dir", default="distml-runs", metavar="DIR", help="default ./distml-runs")


def _invite(options: argparse.Namespace) -> int:
    from .invites import main as invite

    return invite(options)


def _serve(options: argparse.Namespace) -> int:
    from .serve import main as serve

    return serve(options)


def _runs(options: argparse.Namespace) -> int:
    from .runs import main as runs

    return runs(options)


def _export(options: argparse.Namespace) -> int:
    from pathlib import Path

    from .export import export_site

    export_site(Path(options.folder), Path(options.cache) if options.cache else None)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import main as doctor

    return doctor(options)


def _worker(options: argparse.Namespace) -> int:
    from .worker import main as work

    return work(sys.stdin.readline().strip() if options.link == "-" else options.link, options.name)


def _program(options: argparse.Namespace) -> int:
    """A program of its own: its exit code and its traceback, and all of the machine's threads."""
    script, *rest = options.as_torch
    if options.recipe is not None or options.steps is not None:
        print("distml: --as-torch takes the script and its arguments; put nothing else before it", file=sys.stderr)
        return 2
    if not os.path.isfile(script):
        print(f"distml: there is no file {script!r}; --as-torch takes the path of a Python program", file=sys.stderr)
        return 2
    from distml_py.stand_in import run_program

    try:
        return run_program(script, rest)
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    from distml_py.blame import line_of
    from distml_py.errors import DistmlError, RecipeError
    from distml_py.recipe import load_recipe, train

    from .recipes import code_of

    if options.recipe is None:
        raise RecipeError("distml run takes a recipe, or --as-torch and a program")
    name, code = code_of(options.recipe)
    if options.steps is not None and options.steps < 1:
        raise RecipeError(f"--steps is at least 1, got {options.steps}")
    try:
        train(load_recipe(name, code), options.seed, options.steps)
    except DistmlError:
        raise
    except (Exception, SystemExit) as error:  # a recipe is somebody's Python: anything can come out of it
        where = f" in line {line_of(error)}" if line_of(error) else ""
        raise RecipeError(f"the recipe {name} fails{where}: {type(error).__name__}: {error}") from error
    return 0
