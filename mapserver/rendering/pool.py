"""A few drawing processes of one web worker, and a bounded queue before them.

A process that crashes, hangs or says nonsense costs the picture it was drawing; the next one gets a new process.
Refuses to queue for ever: beyond `MAX_WAITING` pictures, or after `MAX_WAIT_S`, a caller is told to come again."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from mapserver.errors import Busy, NoRenderer, NotDrawn
from mapserver.rendering.job import LENGTH, Job, answered, packed
from mapserver.settings import ROOT, Settings

MAX_WAITING = 16
MAX_WAIT_S = 15.0
TIME_LIMIT_S = 20.0
"""One picture takes no longer."""
START_LIMIT_S = 30.0
MOST_DRAWN = 500
"""A process ends after so many pictures, whatever it has gathered by then."""
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the files of a picture lie, if the machine has it: nothing of them is written to a disk."""
HEADLESS = {"EGL_PLATFORM": "surfaceless", "LP_NUM_THREADS": "1"}
"""Mesa draws in memory, without a screen, on one core for each process."""
HINT = "pictures need MapLibre Native (pymgl) and Mesa's EGL: run `make setup`, or install libegl-mesa0 libgl1-mesa-dri"


@dataclass(slots=True)
class _Drawer:
    """One process, and the folder that is its own."""

    process: Process
    folder: Path
    drawn: int = 0

    async def ask(self, job: Job) -> tuple[str, tuple[bytes, ...]]:
        """(fault, pictures). Raises OSError, EOFError or ValueError when the process is no more, or mad."""
        assert self.process.stdin is not None
        self.process.stdin.write(packed(job))
        await self.process.stdin.drain()
        self.drawn += 1
        return await self.heard()

    async def heard(self) -> tuple[str, tuple[bytes, ...]]:
        """The next answer."""
        assert self.process.stdout is not None
        length = await self.process.stdout.readexactly(LENGTH.size)
        return answered(await self.process.stdout.readexactly(LENGTH.unpack(length)[0]))

    async def end(self) -> None:
        """Ends it at once; it may hang."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        rmtree(self.folder, ignore_errors=True)


class Pool:
    """The drawing processes of one worker, started when they are needed."""

    def __init__(self, settings: Settings, glyphs: Path, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._settings, self._glyphs, self._time_limit_s = settings, glyphs, time_limit_s
        self._free: asyncio.LifoQueue[_Drawer | None] = asyncio.LifoQueue()
        self._waiting = 0
        for _ in range(settings.drawers):
            self._free.put_nowait(None)

    async def drawn(self, job: Job) -> tuple[bytes, ...]:
        """The pictures of a job. Raises Busy, NotDrawn, or NoRenderer where this machine cannot draw."""
        drawer = await self._taken()
        try:
            async with asyncio.timeout(self._time_limit_s):
                fault, pictures = await drawer.ask(job)
        except BaseException as error:
            self._free.put_nowait(None)
            await drawer.end()
            raise _told(error, self._time_limit_s) from error
        await self._back(drawer)
        if fault:
            raise NotDrawn("", f"the picture could not be drawn: {fault[:300]}")
        return pictures

    async def close(self) -> None:
        """Ends the processes that are idle."""
        while not self._free.empty():
            drawer = self._free.get_nowait()
            if drawer is not None:
                await drawer.end()

    async def _back(self, drawer: _Drawer) -> None:
        if drawer.drawn < MOST_DRAWN:
            self._free.put_nowait(drawer)
        else:
            self._free.put_nowait(None)
            await drawer.end()

    async def _taken(self) -> _Drawer:
        drawer = await self._place()
        if drawer is not None and drawer.process.returncode is None:
            return drawer
        try:
            if drawer is not None:
                await drawer.end()
            return await self._started()
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _place(self) -> _Drawer | None:
        if not self._free.empty():
            return self._free.get_nowait()
        if self._waiting >= MAX_WAITING:
            raise Busy("", f"{MAX_WAITING} pictures are already waiting")
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._free.get(), MAX_WAIT_S)
        except TimeoutError as error:
            raise Busy("", f"no picture could be begun within {MAX_WAIT_S:.0f} s") from error
        finally:
            self._waiting -= 1

    async def _started(self) -> _Drawer:
        folder = Path(tempfile.mkdtemp(prefix="citymap-drawing-", dir=_MEMORY))
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "mapserver.rendering.child"]
        process = await asyncio.create_subprocess_exec(
            *command, str(self._glyphs), str(folder), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
            env=self._settings.environment(**HEADLESS),
        )  # fmt: skip
        drawer = _Drawer(process, folder)
        try:
            async with asyncio.timeout(START_LIMIT_S):
                fault, _ = await drawer.heard()
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await drawer.end()
            raise NoRenderer("", f"the drawing process does not start; {HINT}") from error
        if fault:
            await drawer.end()
            raise NoRenderer("", f"{fault}; {HINT}")
        return drawer


def _told(error: BaseException, time_limit_s: float) -> BaseException:
    """What a client is told of a process that gave no picture; anything of ours stays as it is."""
    match error:
        case TimeoutError():
            return NotDrawn("", f"the picture took longer than {time_limit_s:g} s; ask for a smaller one")
        case OSError() | EOFError() | ValueError():
            return NotDrawn("", "the drawing process ended; the next picture gets a new one, so try again")
    return error
