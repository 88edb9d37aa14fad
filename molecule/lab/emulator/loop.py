# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: one thread, one epoll, and timers with microseconds."""

import heapq
import select
import time
from collections.abc import Callable

Handler = Callable[[], None]

# epoll has milliseconds. Timers nearer than this are waited for by sleeping.
NEAR_NS = 2_000_000


class Timer:
    """One call at a time in the future. `action` is None once it is cancelled."""

    __slots__ = ("action", "due_ns", "order")

    def __init__(self, due_ns: int, order: int, action: Handler) -> None:
        self.due_ns = due_ns
        self.order = order
        self.action: Handler | None = action

    def __lt__(self, other: "Timer") -> bool:
        return (self.due_ns, self.order) < (other.due_ns, other.order)

    def cancel(self) -> None:
        self.action = None


class Loop:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[Timer] = []
        self._order = 0
        self._running = True

    def watch(self, fd: int, handler: Handler) -> None:
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def forget(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def await_room(self, fd: int, wanted: bool) -> None:
        """Call the handler when the peer can take data (wanted), or when it sends data."""
        self._epoll.modify(fd, select.EPOLLOUT if wanted else select.EPOLLIN)

    def after(self, delay_us: int, action: Handler) -> Timer:
        self._order += 1
        timer = Timer(time.monotonic_ns() + delay_us * 1000, self._order, action)
        heapq.heappush(self._timers, timer)
        return timer

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        poll, handlers = self._epoll.poll, self._handlers
        while self._running:
            for fd, _ in poll(self._wait_s() if self._timers else -1):
                handler = handlers.get(fd)
                # An earlier handler of this round may have closed it.
                if handler is not None:
                    handler()
            if self._timers:
                self._fire()

    def _wait_s(self) -> float:
        left_ns = self._timers[0].due_ns - time.monotonic_ns()
        return max(0, left_ns - NEAR_NS) / 1e9

    def _fire(self) -> None:
        while self._timers:
            timer = self._timers[0]
            if timer.action is None:
                heapq.heappop(self._timers)
                continue
            left_ns = timer.due_ns - time.monotonic_ns()
            if left_ns > NEAR_NS:
                return
            if left_ns > 0:
                time.sleep(left_ns / 1e9)
            heapq.heappop(self._timers)
            timer.action()

    def close(self) -> None:
        self._epoll.close()
