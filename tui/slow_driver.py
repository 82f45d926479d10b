"""Textual's driver for slow links: it writes what ``thrift`` leaves."""

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from tui.thrift import Thrift


class SlowDriver(LinuxDriver):
    """The same in fewer bytes."""

    def __init__(
        self,
        app: "App[object]",
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._thrift = Thrift()

    def write(self, data: str) -> None:
        """Puts it on the line."""
        super().write(self._thrift.pack(data))
