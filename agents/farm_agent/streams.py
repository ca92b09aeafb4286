"""Several streams of inference at a time in one process: a thread and a session of its own each.

So does a program that serves several cameras, and it is the same in every runtime. The threads run truly in
parallel: native loops are C, and the runtimes let go of Python's lock while they infer. A session per stream
has its own copy of the weights, as such a program has.
"""

from __future__ import annotations

import threading
from array import array
from typing import Any, List, Optional, Tuple

from farm_agent import bench, feed, harness, runtimes
from farm_agent.loop import Loop
from farm_agent.wire import BlockPlan

COLUMNS = ("start", "end", "stream")
# While another stream warms up, the others look up this often.
SLICE_NS = 50_000_000
SCRATCH_ROWS = 4096


def open_loop(request: Any) -> Tuple[Any, Loop]:  # noqa: ANN401 - block.BlockRequest
    """One more (session, loop) over the request's artifact, after its first inference. Raises JobError."""
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session, fallback = harness.open_session(
        module, request.artifact, request.directory, options, request.harness
    )
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    data = feed.load_npz(request.golden_path) if request.golden_path else None
    session.bind(feed.sample(data, 0, inputs))
    session.call()
    return session, harness.loop_of(session, fallback)


def measure(loops: List[Loop], plan: BlockPlan) -> bench.Block:
    """Warm up and time all loops together. The first one's windows tell when they are steady."""
    return _Together(loops, plan).measure()


class _Together:
    """The threads of one block. The first loop runs in the calling thread."""

    def __init__(self, loops: List[Loop], plan: BlockPlan) -> None:
        self._loops = loops
        self._plan = plan
        self._warm = threading.Event()
        self._calls = 1
        self._rows: List[Tuple[List[array[int]], int]] = [([], 0) for _ in loops]
        self._runs = [0 for _ in loops]
        self._capped = [False for _ in loops]
        self._failure: Optional[BaseException] = None

    def measure(self) -> bench.Block:
        threads = [
            threading.Thread(target=self._stream, args=(number,), name=f"stream-{number}")
            for number in range(1, len(self._loops))
        ]
        for thread in threads:
            thread.start()
        try:
            warmup = bench.warm_up(self._loops[0], self._plan)
            self._calls = bench.calls_per_sample(
                warmup.median_ns, self._loops[0].cost_ns, self._plan.min_time_ns * len(self._loops)
            )
            self._warm.set()
            self._record(0)
        except BaseException as error:  # noqa: BLE001 - raised again below
            self._fail(error)
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        rows, count = self._merged()
        ended = "cap" if any(self._capped) else "floor"
        spare = sum(chunk.itemsize * len(chunk) for chunks, _ in self._rows for chunk in chunks)
        return bench.Block(
            warmup,
            [rows],
            count,
            ended,
            columns=COLUMNS,
            calls_per_sample=self._calls,
            spare_bytes=spare,
        )

    def _stream(self, number: int) -> None:
        try:
            loop, scratch = self._loops[number], array("q", bytes(16 * SCRATCH_ROWS))
            while not self._warm.is_set():
                loop.run(scratch, 0, SCRATCH_ROWS, loop.now() + SLICE_NS)
            if self._failure is None:
                self._record(number)
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._warm.set()

    def _record(self, number: int) -> None:
        """Time this stream until the floors are reached by all together, or the cap."""
        loop, plan, calls = self._loops[number], self._plan, self._calls
        chunks: List[array[int]] = []
        count = elapsed = 0
        begin = loop.now()
        while True:
            chunk = array("q", bytes(16 * bench.CHUNK_ROWS))
            chunks.append(chunk)
            filled = 0
            while filled < bench.CHUNK_ROWS:
                until = plan.min_time_ns if elapsed < plan.min_time_ns else elapsed + SLICE_NS
                done = loop.run(chunk, filled, bench.CHUNK_ROWS - filled, begin + until, calls)
                filled += done
                count += done
                self._runs[number] += done * calls
                self._rows[number] = (chunks, count)
                elapsed = chunk[2 * filled - 1] - begin
                if self._failure is not None:
                    return
                if elapsed >= plan.min_time_ns and sum(self._runs) >= plan.min_runs:
                    return
                if elapsed >= plan.max_time_ns or count >= bench.MOST_ROWS // len(self._loops):
                    self._capped[number] = True
                    return

    def _merged(self) -> Tuple[array[int], int]:
        """One array of (start, end, stream), the streams one after another, and its number of rows."""
        total = sum(count for _, count in self._rows)
        merged = array("q", [0]) * (3 * total)
        at = 0
        for number, (chunks, count) in enumerate(self._rows):
            for index, chunk in enumerate(chunks):
                rows = min(bench.CHUNK_ROWS, count - index * bench.CHUNK_ROWS)
                stop = 3 * (at + rows)
                merged[3 * at : stop : 3] = chunk[0 : 2 * rows : 2]
                merged[3 * at + 1 : stop : 3] = chunk[1 : 2 * rows : 2]
                merged[3 * at + 2 : stop : 3] = array("q", [number]) * rows
                at += rows
        return merged, total
