"""``distml serve``: opens store, run and port in this order, prints the links, and ends on a signal or with the run."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distml_py import exchange, wire
from distml_py.blame import line_of
from distml_py.errors import DistmlError
from distml_py.recipe import Training, load_recipe

from . import access as rules
from . import assets, guards, listening, packages
from .addresses import in_links
from .app import MOST_CONNECTIONS, answer, create_app, runner_of
from .board import Board, finish, follow
from .coordinator import Coordinator
from .local_workers import auditor, local_worker
from .recipes import code_of
from .spoken import Spoken
from .store import RunStore
from .storing import DURABLE_S
from .tables import open_store
from .wheel import Package

if TYPE_CHECKING:
    from .cluster.member import Member

EXIT_NOTICE_S = 1.0  # so long a finished coordinator waits for its workers to have heard of it
LOCAL_WORKER_ENDS_S = 10.0
UNTRUSTED_PER_ADDRESS = 4  # connections; a home has a few tabs
MOST_FILES = 5 * MOST_CONNECTIONS  # open at once; a connection has a socket, and at times a file of the page
KEPT_FILES = 100  # for runs, records and what Python itself opens


class ServeError(DistmlError, RuntimeError):
    """A coordinator that cannot begin."""


def main(options: argparse.Namespace) -> int:
    """Returns the exit code: with --exit, 1 when the run fails or could not be stored; a signal stores the run and ends with 0."""
    folder = Path(options.run_dir)
    reach = listening.reach(options.host, options.lan)
    if options.lan:
        listening.warn_of_listeners(reach.faces, options.insecure_public)
    most = (listening.allow_files(MOST_FILES) - KEPT_FILES) // 2
    store = open_store(folder, options.store)
    try:
        with listening.listen(reach.bound, options.port) as listener:  # first: a busy port is known before anything is fetched
            path = folder / "access.json"
            access = rules.load(path, options.lan, options.allow_host, bool(options.resume), options.embed, options.join_hours)
            access.spoken = Spoken() if options.lan else None
            found = None if options.no_page else assets.resolve(Path(options.cache) if options.cache else None)
            if options.packages and found is None:
                raise ServeError("--with serves packages to tabs, and with --no-page there are none: leave one of them away")
            served = packages.resolve(options.packages, found.parent) if found else ()
            return asyncio.run(_serve(options, store, access, found, reach, listener, most, served))
    finally:
        store.close()


async def _serve(
    options: argparse.Namespace,
    store: RunStore,
    access: rules.Access,
    found: Path | None,
    reach: listening.Reach,
    listener: socket.socket,
    most: int,
    served: Sequence[Package],
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        except NotImplementedError:
            signal.signal(number, lambda *_: stop.set())  # Windows
    board = Board(Path(options.tensorboard)) if options.tensorboard else None
    coordinator = await _coordinator(options, store, access, board)
    defaults = {"recipe": options.recipe, "steps": options.steps, "seed": options.seed}
    per_address = UNTRUSTED_PER_ADDRESS if options.untrusted else MOST_CONNECTIONS
    app = create_app(coordinator, access, found, defaults, served, per_address=per_address)
    runner = runner_of(app, 2.0)
    await runner.setup()
    port, host = listener.getsockname()[1], in_links(reach.shown)
    coordinator.join_url = f"http://{host}:{port}/#t={access.worker_token}"
    try:
        await coordinator.run()
    except DistmlError:
        await coordinator.close()
        raise
    door = await answer(runner, listener, most)
    _print_links(coordinator, access, host, port)
    local = f"http://{in_links(reach.local)}:{port}/#t={access.host_token}"
    async with _beside(options, coordinator, board, local):
        try:
            return await _until_over(options, coordinator, stop, local)
        finally:
            door.close()
            await coordinator.close()
            await runner.cleanup()


@contextlib.asynccontextmanager
async def _beside(
    options: argparse.Namespace, coordinator: "Coordinator | Member", board: Board | None, link: str
) -> AsyncIterator[None]:
    """What goes on beside a run that does not depend on it. In a cluster nothing: no coordinator knows that it will lead."""
    if not isinstance(coordinator, Coordinator):
        yield
        return
    work: list[asyncio.Task[None]] = []
    own = coordinator.rounds.run if options.recipe and not options.resume else None
    if own is not None and coordinator.guards.audited:
        work.append(asyncio.create_task(auditor(coordinator, link, own.code_sha256)))
    if board is not None:
        work.append(asyncio.create_task(follow(board, coordinator)))
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if board is not None:
            await finish(board, coordinator)


async def _coordinator(
    options: argparse.Namespace, store: RunStore, access: rules.Access, board: Board | None
) -> "Coordinator | Member":
    """With its run, if it has one already."""
    asked = {name: getattr(options, name) for name in exchange.NAMES if getattr(options, name) is not None}
    exchange.exchange_of(asked)
    if options.cluster is not None:
        return await _member(options, access, asked)
    durability_s = DURABLE_S if options.durability is None else options.durability
    coordinator = Coordinator(
        store, access, options.deterministic, exchange=asked, guards=guards.asked(options), durability_s=durability_s
    )
    if board is not None:
        coordinator.carrier.on_loss = board.note_loss
    _open_run(options, coordinator)
    return coordinator


async def _member(options: argparse.Namespace, access: rules.Access, asked: dict[str, Any]) -> "Member":
    """One of several coordinators. Its packages are imported here, where they are wanted."""
    if options.resume:
        raise ServeError("a cluster goes on with its run by itself: leave --resume away")
    if options.tensorboard:
        raise ServeError("TensorBoard's files are one coordinator's: leave --tensorboard away, or --cluster")
    if options.durability:
        raise ServeError("in a cluster every step is stored before it is told: leave --durability away")
    try:
        from .cluster.joining import join
        from .cluster.member import Plan
        from .cluster.servers import addresses
    except ModuleNotFoundError as error:
        raise ServeError(f"--cluster needs the package {error.name}: pip install 'distml-py[cluster]'") from None
    wish = None
    if options.recipe is not None:
        name, code = code_of(options.recipe)
        wish = prepare(name, code, options.seed or 0, options.steps)
    return await join(addresses(options.cluster), access, Plan(options.deterministic, asked, guards.asked(options), wish))


async def _until_over(options: argparse.Namespace, coordinator: "Coordinator | Member", stop: asyncio.Event, link: str) -> int:
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait()), *coordinator.tasks]
    helper = None
    if options.exit:
        helper = asyncio.create_task(local_worker(coordinator, options.local_worker_after, link))
        waiting += [asyncio.create_task(coordinator.over.wait()), helper]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        print("Stopping: storing the run.", flush=True)
    for task in done & set(coordinator.tasks):
        task.result()  # raises: better no coordinator than one that has lost its clock
    for task in set(waiting) - set(coordinator.tasks):
        task.cancel()
    if helper is not None:
        await asyncio.wait([helper], timeout=LOCAL_WORKER_ENDS_S)
    if not options.exit or stop.is_set():
        return 0
    for _ in range(int(EXIT_NOTICE_S / 0.05)):
        if coordinator.idle:
            break
        await asyncio.sleep(0.05)
    status = coordinator.status()
    accuracy = "unknown" if status["test_accuracy"] is None else f"{status['test_accuracy']:.4f}"
    print(
        f"Run {status['run']} {status['state']}: step {status['step']}, weights_sha256 {status['weights_sha256']},"
        f" test_accuracy {accuracy}",
        flush=True,
    )
    if status["error"]:
        print(f"distml: {status['error']}", file=sys.stderr)
    return 0 if status["state"] == "finished" and coordinator.stores else 1


def _open_run(options: argparse.Namespace, coordinator: Coordinator) -> None:
    if options.resume:
        named = options.resume if isinstance(options.resume, str) else None
        stored = coordinator.store.open(lambda text: print(text, flush=True), named)
        wanted = {"recipe": options.recipe and code_of(options.recipe)[0], "steps": options.steps, "seed": options.seed,
                  "deterministic": options.deterministic or None}  # fmt: skip
        for name, value in wanted.items():
            if value is not None and value != getattr(stored.run, name):
                raise ServeError(f"--resume: run {stored.run.run} has {name} {getattr(stored.run, name)}, not {value};"
                                 " leave the option away, or start a new run without --resume")  # fmt: skip
        for name, value in coordinator.exchange.items():
            if stored.run.exchange.get(name) != value:
                raise ServeError(f"--resume: run {stored.run.run} has {name} {stored.run.exchange.get(name)}, not {value};"
                                 " leave the option away, or start a new run without --resume")  # fmt: skip
        coordinator.rounds.deterministic = stored.run.deterministic
        coordinator.resume(stored)
        print(f"Run {stored.run.run} goes on at step {stored.step} of {stored.run.steps}.", flush=True)
    elif options.recipe is not None:
        name, code = code_of(options.recipe)
        coordinator.begin(*prepare(name, code, options.seed or 0, options.steps))
    elif options.exit:
        raise ServeError("--exit needs a run to wait for: name one with --recipe, or go on with one by --resume")


def prepare(name: str, code: str, seed: int, steps: int | None) -> tuple[wire.Start, dict[str, np.ndarray]]:
    """A run of the coordinator's own recipe file: its Start and its first weights."""
    try:
        recipe = load_recipe(name, code)
        training = Training(recipe, seed)
    except DistmlError:
        raise
    except (Exception, SystemExit) as error:  # a recipe is somebody's Python: anything can come out of it
        raise ServeError(f"the recipe {name} fails in line {line_of(error)}: {type(error).__name__}: {error}") from error
    fields = {key: getattr(recipe, key) for key in ("batch_size", "shards", "evaluate_every", "checkpoint_every")}
    start = wire.Start(
        recipe=name, code=code, seed=seed, steps=recipe.steps if steps is None else steps, train_size=training.train_size,
        optimizer=training.optimizer.config(), parameters=list(training.parameters),
        exchange=recipe.exchange().config(), **fields,
    )  # fmt: skip
    return start, training.weights() | training.buffers()


def _print_links(coordinator: "Coordinator | Member", access: rules.Access, host: str, port: int) -> None:
    print(f"distml is listening on http://{host}:{port}/")
    print(f"  You (host):  http://{host}:{port}/#t={access.host_token}")
    print(f"  Others join: {coordinator.invitation}")
    print(f"  From a terminal: distml worker '{coordinator.invitation}'")
    if access.lan:
        import segno

        print(f"  Everybody in the network of {host} who has the join link can compute; scan it:")
        segno.make(coordinator.invitation, error="m").terminal(compact=True)
        print(f"  Or say: http://{host}:{port}/code and {access.spoken}")
    print("Ctrl+C stores the run and ends.", flush=True)
