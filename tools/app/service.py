"""One thread has the models. What comes in meanwhile waits, and is summarised in one batch."""

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from stages.common.cli import UserError
from tools.app.models import Models, Summaries

LINGER = 0.01  # seconds in which requests that come together find each other
STOPPING = "the server is stopping"
LATELY = 10  # batches that the expected time is told from


class NotReady(Exception):
    """The models are still being loaded, or could not be."""


class Busy(Exception):
    """The queue is full. `seconds`: about how long until there is space."""

    def __init__(self, seconds: int):
        super().__init__(f"the queue is full: try again in {seconds} seconds")
        self.seconds = seconds


@dataclass
class Job:
    text: str
    wanted: Iterable[str]  # names of models
    future: Future = field(default_factory=Future)


class Service:
    """`load` gives the models; `waiting` is how many conversations may wait for them."""

    def __init__(self, load: Callable[[], Models], waiting: int):
        self.load, self.waiting = load, waiting
        self.models: Models | None = None
        self.error: BaseException | None = None  # why they could not be loaded
        self.queue: deque[Job] = deque()
        self.changed = threading.Condition()
        self.stopping = False
        self.loaded = threading.Event()  # or it is known that they cannot be
        self.paces: deque[float] = deque(maxlen=LATELY)  # seconds a conversation
        self.thread = threading.Thread(target=self.work, name="models", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self, seconds: float = 30) -> None:
        """Finish the batch at work; what waits is refused."""
        self.refuse()
        self.thread.join(seconds)

    def refuse(self) -> None:
        """What waits, and what comes from now on."""
        with self.changed:
            self.stopping = True
            for job in self.queue:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(NotReady(STOPPING))
            self.queue.clear()
            self.changed.notify_all()

    @property
    def state(self) -> str:
        if self.error:
            return "failed"
        return "ready" if self.models else "loading"

    def ready(self) -> Models:
        """The models. Raises `NotReady`, whose text is a sentence for the user."""
        if self.error:
            raise NotReady(f"the model could not be loaded: {self.error}")
        if not self.models:
            raise NotReady("the model is being loaded: try again in some seconds")
        return self.models

    def ask(self, texts: list[str], wanted: Iterable[str]) -> list["Future[Summaries]"]:
        """Put conversations in the queue, all or none. Raises `NotReady` or `Busy`."""
        self.ready()
        jobs = [Job(text, wanted) for text in texts]
        with self.changed:
            if self.stopping:
                raise NotReady(STOPPING)
            if len(self.queue) + len(jobs) > self.waiting:
                raise Busy(math.ceil(self.pace() * len(self.queue)) or 1)
            self.queue.extend(jobs)
            self.changed.notify_all()
        return [job.future for job in jobs]

    def pace(self) -> float:
        """Seconds that a conversation took lately."""
        return sum(self.paces) / len(self.paces) if self.paces else 1.0

    def work(self) -> None:
        try:
            self.models = self.load()
        except BaseException as error:  # noqa: BLE001, the main thread raises it again
            self.error = error
            return
        finally:
            self.loaded.set()
        while batch := self.next_batch(self.models.params.generate.batch_size):
            started = time.monotonic()
            self.summarize(batch)
            self.paces.append((time.monotonic() - started) / len(batch))

    def next_batch(self, size: int) -> list[Job]:
        """Up to `size` jobs, when there are some; none when the service stops."""
        with self.changed:
            while not self.queue and not self.stopping:
                self.changed.wait()
            end = time.monotonic() + LINGER
            while len(self.queue) < size and not self.stopping and time.monotonic() < end:
                self.changed.wait(max(0, end - time.monotonic()))
            return [self.queue.popleft() for _ in range(min(size, len(self.queue)))]

    def summarize(self, batch: list[Job]) -> None:
        batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            answers = self.models.write([job.text for job in batch], [job.wanted for job in batch])
        except Exception as error:  # noqa: BLE001, the thread must outlive it
            self.fail(batch, error)
            return
        for job, answer in zip(batch, answers, strict=True):
            job.future.set_result(answer)

    def fail(self, batch: list[Job], error: Exception) -> None:
        """One conversation may have been the reason: each alone, and the others have their answer."""
        if len(batch) == 1:
            if not isinstance(error, UserError):
                traceback.print_exception(error)
            batch[0].future.set_exception(error)
            return
        for job in batch:
            try:
                (answer,) = self.models.write([job.text], [job.wanted])
            except Exception as own:  # noqa: BLE001
                self.fail([job], own)
            else:
                job.future.set_result(answer)
