"""Textual's way to the terminal, with what it lacks."""

from functools import partial
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


class OwnDriver(LinuxDriver):
    """A program that goes on after it was stopped draws everything anew.

    Textual begins anew whenever it is told to go on. If it had not given the terminal back before (it was stopped by force,
    or not at all), it would read the keys twice and never end.
    """

    _starting = False
    _asked_to_go_on = False

    def start_application_mode(self) -> None:
        """Takes the terminal; in the background of a shell, once it is brought to the front."""
        self._starting = self._asked_to_go_on = True
        try:
            while self._asked_to_go_on and not self._reads_keys():
                self._asked_to_go_on = False
                super().start_application_mode()  # type: ignore[no-untyped-call]
        finally:
            self._starting = False

    def _reads_keys(self) -> bool:
        return self._key_thread is not None and self._key_thread.is_alive()

    def _sigcont_application(self, *_: Any) -> None:
        self._asked_to_go_on = True
        if self._starting:
            return
        if self._must_signal_resume and not self._reads_keys():
            # It was stopped from the keyboard, and gave the terminal back then.
            super()._sigcont_application()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(partial(self._app.refresh, layout=True))


class SlowDriver(OwnDriver):
    """For slow links: it writes what ``thrift`` leaves."""

    def __init__(
        self,
        app: "App[object]",
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        # Over a fast link nobody waits for it at the start.
        from tui.thrift import Thrift

        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._thrift = Thrift()

    def write(self, data: str) -> None:
        """Puts it on the line."""
        super().write(self._thrift.pack(data))
