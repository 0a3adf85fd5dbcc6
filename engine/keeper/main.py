"""The keeper role: asks the platform now and then, and opens the door to those who need the hash secret."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path

from engine import log
from engine.config import GatewayConfig
from engine.enrolment.folder import Enrolled, IdentityFolder
from engine.errors import ConfigError, PenstockError
from engine.keeper import notice
from engine.keeper.door import Door
from engine.keeper.page import SecretPage
from engine.keeper.states import OUT, REFUSALS, Event, KeeperState, after
from engine.keeper.steps import Steps
from engine.spool.layout import Spool

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
LOOK_SECONDS = 0.5
_LOG = log.get("keeper")


def run(config: GatewayConfig) -> int:
    """Keep until SIGTERM or SIGINT; 0. Raises ConfigError when this gateway is not enrolled."""
    if config.enrolment is None:
        raise ConfigError("enrolment-section", "the configuration has no [enrolment]")
    asyncio.run(_serve(config, Path(config.enrolment.folder), config.enrolment.check_seconds))
    return 0


async def _serve(config: GatewayConfig, folder: Path, check_seconds: float) -> None:
    run_dir = Spool.open(config.spool.path, create=False).run
    page = SecretPage()
    door = Door(run_dir, page)
    await door.open()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    wants_secret = config.identity.secret_file is None
    keeper = Keeper(IdentityFolder(folder), run_dir, page, door, check_seconds, wants_secret=wants_secret)
    working = asyncio.create_task(keeper.work())
    stopping = asyncio.create_task(stop.wait())
    try:
        ended, _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working in ended:
            working.result()  # it ends by an error alone, which ends the process
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
        await door.close()
        page.wipe()


class Keeper:
    """One keeper's life, between the platform and the door."""

    def __init__(
        self,
        identity: IdentityFolder,
        run_dir: Path,
        page: SecretPage,
        door: Door,
        check_seconds: float,
        *,
        wants_secret: bool,
    ) -> None:
        self._identity, self._run_dir, self._page, self._door = identity, run_dir, page, door
        self._check_seconds = check_seconds
        self._wants_secret = wants_secret
        self._steps = Steps(identity, page, wants_secret=wants_secret)
        self.state = KeeperState.WAITING
        self._since = time.time()
        self._failures = 0
        self._code = ""
        self._enrolled: Enrolled | None = None
        self._stamp = self._credential()

    async def work(self) -> None:
        """Step after step, without end."""
        self._tell(None)
        if not self._page.locked:
            _LOG.info("memory-not-locked")
        while True:
            if self.state not in OUT:
                await self._step()
            await self._until_next()

    async def _step(self) -> None:
        try:
            await asyncio.to_thread(self._steps.take)
        except PenstockError as problem:
            self._troubled(problem)
        else:
            self._failures = 0
            self._take(Event.WELL, None)
        self._stamp = self._credential()  # a renewal of our own is no news

    def _troubled(self, problem: PenstockError) -> None:
        event = REFUSALS.get(problem.code, Event.TROUBLE)
        if event is Event.TROUBLE:
            self._failures += 1
        else:
            self._page.wipe()
        self._take(event, problem)

    def _take(self, event: Event, problem: PenstockError | None) -> None:
        before, self.state = self.state, after(self.state, event)
        self._door.changed()
        code = problem.code if problem else ""
        if self.state is not before:
            self._since = time.time()
        if (self.state, code) != (before, self._code):
            if problem is not None:
                _LOG.failure(f"keeper-{self.state}", problem)
            else:
                _LOG.info(f"keeper-{self.state}")
        self._code = code
        self._tell(problem)

    def _tell(self, problem: PenstockError | None) -> None:
        """Into run/keeper.json. What cannot be read or written there must not keep the secret from the workers."""
        ends = 0.0
        try:
            self._enrolled = self._identity.enrolled()
            ends = self._identity.validity().ends
        except ConfigError as damaged:
            problem = problem or damaged
        known = self._enrolled
        told = notice.Notice(
            state=self.state,
            since=self._since,
            key_ids=self._page.key_ids,
            institution=known.institution if known else "",
            gateway=known.gateway if known else "",
            epoch=known.epoch if known else 0,
            certificate_ends=ends,
            trouble=notice.Trouble(problem.code, problem.message, problem.hint) if problem else None,
        )
        try:
            notice.write(self._run_dir, told)
        except OSError as full:
            _LOG.failure("notice-not-written", full)

    async def _until_next(self) -> None:
        """Waits for the next step; not longer, when somebody enrols this machine anew meanwhile."""
        if self._failures:
            wait = min(FIRST_WAIT * 2.0 ** min(self._failures - 1, 20), LONGEST_WAIT, self._check_seconds)
            wait *= 1 - random.random() / 4
        else:
            wait = self._check_seconds
        until = time.monotonic() + wait
        while self.state in OUT or time.monotonic() < until:
            await asyncio.sleep(min(LOOK_SECONDS, wait))
            if self._credential() != self._stamp:
                self._replaced()
                return

    def _replaced(self) -> None:
        """Another enrolment: what the former one had is not this one's."""
        self._stamp = self._credential()
        self._page.wipe()
        self._take(Event.REPLACED, None)
        self._failures = 0

    def _credential(self) -> tuple[int, int]:
        try:
            about = self._identity.paths.credential.stat()
        except FileNotFoundError:
            return 0, 0
        return about.st_ino, about.st_mtime_ns
